// What the tests of the client share: servers in this process, Spork's own and ones that follow a script.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@testable import SporkHTTP

/// Runs `body` on the loop of this process, bounded, and ends the process well.
nonisolated func clientProgram(_ body: @escaping @MainActor () async throws -> Void) throws {
    try EventLoop.run { try await withTimeout(.seconds(30)) { try await body() } }
    exit(0)
}

/// Spork's own server on a port that the kernel chose.
final class RoutedServer {
    let listener: Listener
    let server: StreamServer

    init(_ router: Router, at address: SocketAddress = .loopback(port: 0)) throws {
        let listener = try Listener(address)
        let http = HTTPServer(router: router)
        http.onError = { _, _ in }
        self.listener = listener
        server = StreamServer([listener], handler: { http.handler(for: $0) })
        spawn("server") { [server] in try await server.run() }
    }

    var url: String { "http://\(listener.address)" }
}

/// A server that does with each connection what the next line of its script says.
final class ScriptedServer {
    typealias Scene = @MainActor (SocketStream) async throws -> Void

    let listener: Listener
    private(set) var accepted = 0

    init(_ scenes: Scene...) throws {
        let listener = try Listener(.loopback(port: 0))
        self.listener = listener
        spawn("scripted server") { [self] in
            for scene in scenes {
                guard let stream = try await listener.accept() else { return }
                accepted += 1
                spawn("scene \(accepted)") {
                    stream.readTimeout = .seconds(20)
                    try? await scene(stream)
                    stream.close()
                }
            }
            listener.close()
        }
    }

    var url: String { "http://\(listener.address)/" }
}

extension SocketStream {
    /// Reads a request's head; its lines.
    func readHead() async throws -> [String] {
        var lines: [String] = []
        while let line = try await readLine(limit: 65_536), !line.isEmpty { lines.append(line) }
        return lines
    }

    /// Reads a request without a body and answers it, one line feed for each line end.
    func answer(_ text: String) async throws {
        guard try await !readHead().isEmpty else { throw Quiet() }
        try await say(text)
    }

    func say(_ text: String) async throws {
        try await write(text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n"))
    }

    /// Waits until the peer closes; what it has sent meanwhile.
    func untilClosed() async throws -> [UInt8] {
        var all: [UInt8] = []
        while case let more = try await read(atMost: 65_536), !more.isEmpty { all += more }
        return all
    }
}

private struct Quiet: Error {}

let hello = "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"

/// The error of a request, as people read it, without its URL.
func clientError(_ body: () async throws -> Void) async -> String {
    do {
        try await body()
        return "no error"
    } catch let error as ClientError { return "\(error.reason)" } catch { return "\(type(of: error))" }
}

/// Expects two values to be the same: `#expect` in an exit test cannot see through `await`.
func same<Value: Equatable>(_ value: Value, _ expected: Value, at place: SourceLocation = #_sourceLocation) {
    #expect(value == expected, sourceLocation: place)
}
