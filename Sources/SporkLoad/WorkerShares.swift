// How evenly the workers of a server have worked. Where the server is Spork with a control socket it says how many requests each has
// answered; of others only the processor time of each is known, and the report says which of the two it is.
import CSporkShims
import Glibc
import SporkNet

/// What each worker had of the work.
nonisolated struct WorkerShares: Equatable {
    /// What the shares are.
    enum Source: String {
        /// Requests, as the server's own status counts them.
        case status
        /// Nanoseconds of processor time.
        case cpu
    }

    var source: Source
    var shares: [(pid: Int32, amount: Int)]

    static func == (left: WorkerShares, right: WorkerShares) -> Bool {
        left.source == right.source && left.shares.elementsEqual(right.shares, by: ==)
    }

    /// Jain's index: 1 when all are equal, 1/n when one has everything (RFC 5166, 2.4).
    var fairness: Double { Self.fairness(shares.map { Double($0.amount) }) }

    static func fairness(_ amounts: [Double]) -> Double {
        let sum = amounts.reduce(0, +)
        let squares = amounts.reduce(0) { $0 + $1 * $1 }
        return squares > 0 ? sum * sum / (Double(amounts.count) * squares) : 1
    }

    /// What workers have answered between two looks at a server's status.
    ///
    /// Workers that have gone meanwhile are missing; what others had answered before does not count.
    static func between(_ before: [Int32: Int], _ after: [Int32: Int]) -> WorkerShares {
        let shares = after.map { (pid: $0.key, amount: max(0, $0.value - before[$0.key, default: 0])) }
        return WorkerShares(source: .status, shares: shares.sorted { $0.pid < $1.pid })
    }
}

/// The control socket of a server of Spork's.
nonisolated struct ServerControl {
    let address: SocketAddress

    /// The socket that a running server was told to open with --control; nil when there is none, or it is not Spork.
    init?(of pid: Int32) {
        guard let line = readSmallFile("/proc/\(pid)/cmdline"), let path = Self.path(in: line) else { return nil }
        let whole = path.hasPrefix("/") ? path : "/proc/\(pid)/cwd/" + path
        guard let address = SocketAddress("unix:\(whole)") else { return nil }
        self.address = address
    }

    /// The socket's path in the words of a command line, which end with a zero each.
    static func path(in line: String) -> String? {
        let words = line.split(separator: "\0")
        for (index, word) in words.enumerated() {
            if word == "--control", index + 1 < words.count { return String(words[index + 1]) }
            if word.hasPrefix("--control=") { return String(word.dropFirst("--control=".count)) }
        }
        return nil
    }

    /// How many requests each worker has answered so far; nil when the server does not say within a second.
    func requests() -> [Int32: Int]? {
        let socket = Glibc.socket(address.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return nil }
        defer { close(socket) }
        var limit = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard address.withSystemAddress({ connect(socket, $0, $1) }) == 0 else { return nil }
        let question = Array("status json\n".utf8)
        guard spork_send(socket, question, question.count, false) == question.count else { return nil }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = read(socket, &chunk, chunk.count)
            guard count > 0, answer.count < 1 << 22 else { break }
            answer += chunk[..<count]
            if answer.last == UInt8(ascii: "\n"), answer.split(separator: UInt8(ascii: "\n")).count > 1 { break }
        }
        return Self.requests(in: String(decoding: answer, as: UTF8.self))
    }

    /// The counts in what the server says: its status as a line of JSON, and a last line "ok".
    static func requests(in answer: String) -> [Int32: Int]? {
        guard let line = answer.split(separator: "\n").first(where: { $0.hasPrefix("{") }),
            let status = try? JSONReader.value(of: String(line)), let workers = status["workers"]?.elements
        else { return nil }
        var requests: [Int32: Int] = [:]
        for worker in workers {
            guard let pid = worker["pid"]?.integer, let count = worker["requests"]?.integer else { return nil }
            requests[Int32(truncatingIfNeeded: pid)] = count
        }
        return requests
    }
}
