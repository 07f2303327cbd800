// Who is served when there is much to do, and what one handler may do to the others of its worker. Each test talks to a server of its own.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@testable import SporkHTTP

/// Keeps the processor busy, as a handler does that computes.
private func spin(for seconds: Double) {
    let end = EventLoop.monotonicSeconds() + seconds
    while EventLoop.monotonicSeconds() < end {}
}

extension Service {
    /// Clients whose connections have been accepted, and wait.
    fileprivate func waitingClients(_ count: Int) async throws -> [SocketStream] {
        var clients: [SocketStream] = []
        for _ in 0..<count {
            let client = try await SocketStream.connect(to: listener.address)
            client.readTimeout = .seconds(20)
            try await client.write("GET /now HTTP/1.1\nHost: a\n\n".replacingLineEnds())
            _ = try await client.read(until: Array("\r\n\r\nnow".utf8), limit: 1000)
            clients.append(client)
        }
        return clients
    }
}

@Suite struct FairnessTests {
    @Test("a handler that cancels what it runs in does no harm to others")
    func cancelled() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.get("/cancel") { _ in
                    AnyCoroutine.current?.cancel()
                    return "cancelled"
                }
                router.get("/now") { _ in "now, \(AnyCoroutine.current?.isCancelled == true)" }
                let service = try Service(router)
                for _ in 0..<3 {
                    #expect(try await service.answer(get("/cancel")).hasSuffix("cancelled"))
                    #expect(try await service.answer(get("/now")).hasSuffix("now, false"))
                }
                exit(0)
            }
        }
    }

    @Test("while many connections are served descriptors and timers are looked at every few milliseconds")
    func turns() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                var turns: Set<UInt64> = []
                router.get("/now") { _ in "now" }
                router.get("/slow") { _ in
                    turns.insert(EventLoop.turns)
                    spin(for: 0.0005)
                    return "slow"
                }
                let service = try Service(router)
                let clients = try await service.waitingClients(100)
                // None of this suspends.
                for client in clients { try await client.write("GET /slow HTTP/1.1\nHost: a\n\n".replacingLineEnds()) }
                for client in clients { _ = try await client.read(until: Array("slow".utf8), limit: 1000) }
                // Fifty milliseconds of four each.
                #expect(turns.count >= 8)
                exit(0)
            }
        }
    }

    @Test("a client that asks for much at once, and gets slow answers, lets another one go first")
    func slowBurst() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                var order: [String] = []
                router.get("/now") { _ in "now" }
                router.get("/{name}") { request in
                    order.append(request["name"])
                    spin(for: 0.002)
                    return request["name"]
                }
                let service = try Service(router)
                let clients = try await service.waitingClients(2)
                let many = (0..<20).map { "GET /a\($0) HTTP/1.1\nHost: a\n\n" }.joined()
                try await clients[0].write(many.replacingLineEnds())
                try await clients[1].write("GET /b HTTP/1.1\nHost: a\n\n".replacingLineEnds())
                _ = try await clients[1].read(until: Array("\r\n\r\nb".utf8), limit: 1000)
                _ = try await clients[0].read(until: Array("\r\n\r\na19".utf8), limit: 10_000)
                let place = try #require(order.firstIndex(of: "b"))
                #expect(place <= 3, "\(order)")
                #expect(order.filter { $0 != "b" } == (0..<20).map { "a\($0)" })
                exit(0)
            }
        }
    }

    @Test("limits may be as large as numbers are")
    func largestLimits() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.get("/stream") { _ in
                    Response.stream { writer in
                        for _ in 0..<3 { try await writer.write(String(repeating: "x", count: 10_000)) }
                    }
                }
                router.get("/expensive") { _ in
                    var response = Response(text: "expensive")
                    response.isExpensive = true
                    return response
                }
                var configuration = HTTPServer.Configuration()
                configuration.mostGathered = .max
                configuration.mostAnswersInTurn = .max
                configuration.requestLimits.requestLine = .max
                configuration.requestLimits.field = .max
                configuration.requestLimits.head = .max
                configuration.requestLimits.fieldCount = .max
                configuration.bodyLimits.trailers = .max
                let service = try Service(router, configuration)
                #expect(try await service.answer(get("/stream")).utf8.count > 30_000)
                let requests = ["/expensive", "/expensive", "/none"].map { "GET \($0) HTTP/1.1\nHost: a\n\n" }.joined()
                #expect(try await service.answer(requests + get("/expensive")).hasSuffix("expensive"))
                exit(0)
            }
        }
    }

    @Test("a request that was decided and never answered, because the server was stopped, is no request any more")
    func abandoned() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                var kept: Request?
                var server: StreamServer?
                router.get("/") { request in
                    kept = request
                    // Its coroutine is there before the connection's, which never starts.
                    server?.stop(within: .zero)
                    return String(repeating: "x", count: 100_000)
                }
                let listener = try Listener(.loopback(port: 0))
                let http = HTTPServer(router: router)
                let serving = StreamServer([listener], handler: { http.handler(for: $0) })
                server = serving
                let run = spawn("server") { try await serving.run() }
                let client = try await SocketStream.connect(to: listener.address)
                client.readTimeout = .seconds(10)
                try await client.write("GET / HTTP/1.1\nHost: a\n\n".replacingLineEnds())
                _ = try? await client.readToEnd()
                await run.join()
                let request = try #require(kept)
                #expect(request.clientAddress == nil && request.path == "/")
                await #expect(throws: (any Error).self) { try await request.body.bytes(upTo: 10) }
                exit(0)
            }
        }
    }
}
