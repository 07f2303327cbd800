// The address behind a name. Names are resolved on a loop, and a loop must not be shared with processes that are forked later: so a
// process of its own asks, connects once to see which address answers, tells, and is gone.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet

nonisolated extension LoadTarget {
    /// How long resolving and connecting may take.
    private static let limit: Duration = .seconds(10)

    /// The address of `host` that answers first; where none does, the one that would be tried first.
    static func resolve(_ host: String, port: UInt16) throws -> SocketAddress {
        var ends: [Int32] = [-1, -1]
        let failure = -spork_pipe(&ends)
        guard failure == 0 else { throw SystemError("pipe", number: failure) }
        let pid = spork_fork()
        guard pid != 0 else { tell(ends[1], Result { try EventLoop.run { try await find(host, port) } }) }
        Glibc.close(ends[1])
        defer { Glibc.close(ends[0]) }
        guard pid > 0 else { throw SystemError("fork", number: -pid) }
        var text: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1024)
        while true {
            let count = read(ends[0], &chunk, chunk.count)
            if count > 0 { text += chunk[..<count] } else if count == 0 || errno != EINTR { break }
        }
        waitpid(pid, nil, 0)
        let answer = String(decoding: text, as: UTF8.self)
        guard let address = SocketAddress(answer) else { throw Failure.unresolved(answer) }
        return address
    }

    @MainActor private static func find(_ host: String, _ port: UInt16) async throws -> SocketAddress {
        do {
            let stream = try await SocketStream.connect(to: host, port: port, within: limit)
            defer { stream.close() }
            if let peer = stream.peerAddress { return peer }
        } catch is ConnectError {
            // Nobody listens: the run shall count that.
        }
        let found = try await NameResolver.shared.addresses(of: host, port: port, within: limit)
        guard let first = found.first else { throw Failure.unresolved("resolve \(host): no address") }
        return first
    }

    private static func tell(_ pipe: Int32, _ result: Result<SocketAddress, any Error>) -> Never {
        let text: String
        switch result {
        case .success(let address): text = "\(address)"
        case .failure(let error): text = "\(error)"
        }
        _ = text.withCString { write(pipe, $0, strlen($0)) }
        _exit(0)
    }
}
