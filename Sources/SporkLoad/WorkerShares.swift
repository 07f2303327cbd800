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
    /// Where it may be.
    private let addresses: [SocketAddress]

    /// The socket that a running server was told to open with --control; nil when there is none, or it is not Spork.
    ///
    /// A master shows its state in the place of its command line; then it is among the sockets on which it listens.
    init?(of pid: Int32) {
        guard let line = readSmallFile("/proc/\(pid)/cmdline") else { return nil }
        var paths = Self.path(in: line).map { [$0] } ?? []
        if line.hasPrefix("spork: master") {
            paths = Self.listening(in: readSmallFile("/proc/\(pid)/net/unix") ?? "", Self.sockets(of: pid))
        }
        addresses = paths.compactMap { path in
            SocketAddress("unix:" + (path.hasPrefix("/") ? path : "/proc/\(pid)/cwd/\(path)"))
        }
        if addresses.isEmpty { return nil }
    }

    /// The numbers of a process's sockets.
    private static func sockets(of pid: Int32) -> Set<Int> {
        var numbers: Set<Int> = []
        for descriptor in ProcessSample.numbers(in: "/proc/\(pid)/fd") {
            var target = [UInt8](repeating: 0, count: 64)
            let count = target.withUnsafeMutableBytes { room in
                room.withMemoryRebound(to: CChar.self) { bytes in
                    bytes.baseAddress.map { readlink("/proc/\(pid)/fd/\(descriptor)", $0, bytes.count) } ?? 0
                }
            }
            let text = String(decoding: target.prefix(max(0, count)), as: UTF8.self)
            guard text.hasPrefix("socket:["), let number = Int(text.dropFirst(8).dropLast()) else { continue }
            numbers.insert(number)
        }
        return numbers
    }

    /// The paths of those sockets in the text of /proc/PID/net/unix that somebody listens on.
    static func listening(in text: String, _ sockets: Set<Int>) -> [String] {
        text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ", maxSplits: 7)
            guard fields.count == 8, fields[3] == "00010000", let number = Int(fields[6]), sockets.contains(number),
                !fields[7].hasPrefix("@")
            else { return nil }
            return String(fields[7])
        }
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
        for address in addresses {
            if let requests = Self.requests(at: address) { return requests }
        }
        return nil
    }

    private static func requests(at address: SocketAddress) -> [Int32: Int]? {
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
        return requests(in: String(decoding: answer, as: UTF8.self))
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
