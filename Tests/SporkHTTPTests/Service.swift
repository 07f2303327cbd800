// A server within a test, and what its clients send and see.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks

@testable import SporkHTTP

/// A server on a port that the kernel chose, and what it says to raw requests.
final class Service {
    let listener: Listener
    private let server: StreamServer

    init(
        _ router: Router,
        _ configuration: HTTPServer.Configuration = HTTPServer.Configuration(),
        onError: @escaping (any Error, Request) -> Void = { _, _ in }
    ) throws {
        let listener = try Listener(.loopback(port: 0))
        self.listener = listener
        let http = HTTPServer(configuration, router: router)
        http.onError = onError
        server = StreamServer([listener], handler: { http.handler(for: $0) })
        spawn("server") { [server] in try await server.run() }
    }

    /// What comes back, to its end, for requests sent on one connection; where that is asked for, behind them the client sends no more.
    func answer(_ requests: String..., halfCloses: Bool = false) async throws -> String {
        let client = try await SocketStream.connect(to: listener.address)
        client.readTimeout = .seconds(10)
        for request in requests { try await client.write(request.replacingLineEnds()) }
        if halfCloses { client.shutdownWrite() }
        return try await client.readToEnd()
    }
}

extension SocketStream {
    func readToEnd() async throws -> String {
        var bytes: [UInt8] = []
        while true {
            let more = try await read(atMost: 65_536)
            if more.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += more
        }
    }
}

extension String {
    func replacingLineEnds() -> String {
        split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n")
    }
    var status: String { String(dropFirst(9).prefix(3)) }
    func has(_ line: String) -> Bool { contains("\r\n\(line)\r\n") }
}

func get(_ path: String, _ fields: String = "") -> String {
    "GET \(path) HTTP/1.1\nHost: a\n\(fields)Connection: close\n\n"
}
