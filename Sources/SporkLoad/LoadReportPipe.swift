// The parent's end of what a load process reports: a pipe that brings its tally as numbers and then ends.
import Glibc

/// The pipe from one load process.
struct LoadReportPipe {
    /// What ended a wait.
    enum News {
        case signal, begin, other
    }

    private let pid: pid_t
    private var descriptor: Int32
    private var received: [UInt8] = []

    init(pid: pid_t, descriptor: Int32) {
        self.pid = pid
        self.descriptor = descriptor
    }

    /// What the process counted, once its report is complete.
    var tally: LoadTally? {
        let size = MemoryLayout<UInt64>.size
        guard received.count.isMultiple(of: size) else { return nil }
        let numbers = received.withUnsafeBytes { bytes in
            (0..<bytes.count / size).map { bytes.loadUnaligned(fromByteOffset: $0 * size, as: UInt64.self) }
        }
        return LoadTally(encoded: numbers)
    }

    /// Asks the process to send no more requests and report.
    func askToEnd() { if descriptor >= 0 { kill(pid, SIGTERM) } }

    /// Ends the process without its report.
    func abandon() {
        guard descriptor >= 0 else { return }
        kill(pid, SIGKILL)
        close(descriptor)
        waitpid(pid, nil, 0)
    }

    /// Waits for reports, signals and processes that begin to count, a limited time.
    ///
    /// Nil when all reports are in.
    static func wait(for reports: inout [LoadReportPipe], signals: Int32, begins: Int32, milliseconds: Int32) -> News? {
        let open = reports.indices.filter { reports[$0].descriptor >= 0 }
        if open.isEmpty { return nil }
        var requests = open.map { pollfd(fd: reports[$0].descriptor, events: Int16(POLLIN), revents: 0) }
        for descriptor in [signals, begins] {
            requests.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
        }
        guard poll(&requests, nfds_t(requests.count), milliseconds) > 0 else { return .other }
        for (request, index) in zip(requests, open) where request.revents != 0 { reports[index].receive() }
        if requests[open.count].revents != 0 { return .signal }
        return requests[open.count + 1].revents != 0 ? .begin : .other
    }

    private mutating func receive() {
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        let count = read(descriptor, &chunk, chunk.count)
        if count > 0 {
            received += chunk[..<count]
        } else if count == 0 || errno != EINTR {
            close(descriptor)
            descriptor = -1
            waitpid(pid, nil, 0)
        }
    }
}
