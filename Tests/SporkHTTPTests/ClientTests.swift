// The client and Spork's own server in one process: bodies both ways, connections used again, limits, names, Unix sockets.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@testable import SporkHTTP

/// What the tests ask for.
private func routes() -> Router {
    let router = Router()
    router.get("/hello") { _ in "hello" }
    router.get("/fields") { request in
        var text = "\(request.methodName) \(request.target)\n"
        for (name, value) in request.headers { text += "\(name): \(value)\n" }
        return text
    }
    router.on([.post, .put, .patch], "/echo") { request in
        Response.stream(length: request.body.length) { answer in
            for try await piece in request.body.chunks(upTo: .max) { try await answer.write(piece) }
        }
    }
    router.post("/length") { request in "\(try await request.body.bytes(upTo: 1 << 24).count)" }
    router.post("/refused") { _ in Response(.forbidden, text: "no") }
    router.get("/big") { _ in
        Response.stream(length: 8 << 20) { answer in
            for _ in 0..<128 { try await answer.write([UInt8](repeating: 7, count: 64 << 10)) }
        }
    }
    router.get("/chunks") { _ in
        Response.stream { answer in
            answer.trailers.add("X-Sum", "6")
            for piece in ["one", "two", "three"] { try await answer.write(piece) }
        }
    }
    router.get("/nothing") { _ in Response(.noContent) }
    router.get("/slow") { _ in
        try await sleep(for: .seconds(20))
        return "late"
    }
    return router
}

@Suite struct ClientTests {
    @Test("one connection carries requests of all kinds, one after the other")
    func oneConnection() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let server = try RoutedServer(routes())
                let client = HTTPClient()
                let first = try await client.get("\(server.url)/hello")
                same(first.status, .ok)
                same(first.headers["content-length"], "5")
                same(first.body.length, 5)
                same(try await first.body.string(upTo: 5), "hello")
                same(try await first.body.bytes(upTo: 5), [])
                let head = try await client.head("\(server.url)/hello")
                same(head.headers["Content-Length"], "5")
                same(try await head.body.bytes(upTo: 0), [])
                same(try await client.get("\(server.url)/nothing").status, .noContent)
                same(try await client.get("\(server.url)/missing").status.code, 404)
                let chunks = try await client.get("\(server.url)/chunks")
                same(chunks.body.length, nil)
                same(try await chunks.body.string(upTo: 100), "onetwothree")
                same(chunks.trailers["X-Sum"], "6")
                let small = try await client.post("\(server.url)/echo", .text("small"), type: "text/x")
                same(try await small.body.string(upTo: 100), "small")
                let fields = try await client.get("\(server.url)/fields?a=b")
                same(
                    try await fields.body.string(upTo: 1000),
                    "GET /fields?a=b\nHost: \(server.listener.address)\nUser-Agent: spork\n"
                )
                same(try await client.delete("\(server.url)/hello").status, .methodNotAllowed)
                same(client.statistics, .init(connections: 1, idleConnections: 1, waiting: 0, connectionsMade: 1))
            }
        }
    }

    @Test(
        "long bodies go both ways at once, with a length and in chunks, byte for byte, and the connection is used again"
    )
    func bothWays() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let server = try RoutedServer(routes())
                let client = HTTPClient()
                let bytes = (0..<6_000_000).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }
                for body in [
                    ClientRequest.Body.bytes(bytes),
                    .stream(length: bytes.count) { writer in
                        for start in stride(from: 0, to: bytes.count, by: 100_000) {
                            try await writer.write(bytes[start..<min(bytes.count, start + 100_000)])
                        }
                        same(writer.remaining, 0)
                    },
                    .stream(length: nil) { writer in
                        for start in stride(from: 0, to: bytes.count, by: 70_001) {
                            try await writer.write(bytes[start..<min(bytes.count, start + 70_001)])
                        }
                    },
                ] {
                    let response = try await client.put("\(server.url)/echo", body)
                    let came = try await response.body.bytes(upTo: bytes.count)
                    #expect(came == bytes)
                }
                same(client.statistics.connectionsMade, 1)
                same(client.statistics.idleConnections, 1)
            }
        }
    }

    @Test("nobody reads: the server is slowed down; what is left of an answer closes its connection where it is much")
    func backpressure() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let server = try RoutedServer(routes())
                let client = HTTPClient()
                var response: ClientResponse? = try await client.get("\(server.url)/big")
                try await sleep(for: .milliseconds(100))
                // The server still writes: the kernel has taken what its buffers hold.
                same(server.server.connections, 1)
                same(client.statistics.idleConnections, 0)
                var read = 0
                if let response {
                    for try await piece in response.body {
                        read += piece.count
                        if read > 100_000 { break }
                    }
                }
                response = nil
                same(client.statistics.connections, 0)
                // A short one is read over instead.
                _ = try await client.get("\(server.url)/hello")
                same(client.statistics.idleConnections, 1)
                let again = try await client.get("\(server.url)/hello")
                same(try await again.body.string(upTo: 5), "hello")
                same(client.statistics.connectionsMade, 2)
            }
        }
    }

    @Test("an answer that is longer than its reader takes is refused, by its length or when it gets there")
    func tooLong() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let server = try RoutedServer(routes())
                let client = HTTPClient()
                let long = try await client.get("\(server.url)/big")
                same(
                    await clientError { _ = try await long.body.bytes(upTo: 1 << 20) },
                    "the body is longer than 1048576 bytes"
                )
                same(client.statistics.connections, 0)
                let chunks = try await client.get("\(server.url)/chunks")
                same(
                    await clientError { _ = try await chunks.body.bytes(upTo: 10) },
                    "the body is longer than 10 bytes"
                )
                same(client.statistics.connectionsMade, 2)
            }
        }
    }

    @Test("an origin has no more connections than its limit: others wait, in their order, and may give up")
    func limit() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let router = routes()
                var (now, most) = (0, 0)
                router.get("/counted") { _ in
                    now += 1
                    most = max(most, now)
                    try await sleep(for: .milliseconds(5))
                    now -= 1
                    return "x"
                }
                let server = try RoutedServer(router)
                var settings = HTTPClient.Configuration()
                settings.connectionsPerOrigin = 3
                settings.placeTimeout = .milliseconds(500)
                let client = HTTPClient(settings)
                let all = (0..<12).map { _ in
                    spawn { try await client.get("\(server.url)/counted").body.string(upTo: 1) }
                }
                for one in all { same(try await one.value, "x") }
                same(most, 3)
                same(client.statistics, .init(connections: 3, idleConnections: 3, waiting: 0, connectionsMade: 3))
                let slow = (0..<3).map { _ in spawn { try await client.get("\(server.url)/slow") } }
                await EventLoop.stepBack()
                let cancelled = spawn { try await client.get("\(server.url)/hello") }
                let late = await clientError { _ = try await client.get("\(server.url)/hello") }
                same(late, "wait for a free connection: timed out")
                cancelled.cancel()
                for one in slow { one.cancel() }
                for one in slow { _ = try? await one.value }
                _ = try? await cancelled.value
                same(client.statistics, .init(connections: 0, idleConnections: 0, waiting: 0, connectionsMade: 3))
                same(try await client.get("\(server.url)/hello").status, .ok)
            }
        }
    }

    @Test("limits of time: for the head, for a body, for all of it; each closes the connection")
    func times() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let server = try RoutedServer(routes())
                var settings = HTTPClient.Configuration()
                settings.headTimeout = .milliseconds(40)
                let client = HTTPClient(settings)
                same(
                    await clientError { _ = try await client.get("\(server.url)/slow") },
                    "wait for the answer: timed out"
                )
                settings.headTimeout = nil
                settings.requestTimeout = .milliseconds(40)
                let whole = HTTPClient(settings)
                same(
                    await clientError { _ = try await whole.get("\(server.url)/slow") },
                    "finish the request: timed out"
                )
                var request = try ClientRequest(.post, "\(server.url)/length")
                request.timeout = .milliseconds(60)
                request.body = .stream(length: nil) { writer in
                    while true {
                        try await writer.write("x")
                        try await sleep(for: .milliseconds(1))
                    }
                }
                same(await clientError { _ = try await client.send(request) }, "finish the request: timed out")
                same(client.statistics.connections + whole.statistics.connections, 0)
            }
        }
    }

    @Test("cancelling ends the request and its connection, while it waits for the head and while it reads")
    func cancellation() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let server = try RoutedServer(routes())
                let client = HTTPClient()
                same(
                    try await giveUp(after: .milliseconds(30)) { try await client.get("\(server.url)/slow").status },
                    nil
                )
                same(client.statistics.connections, 0)
                let scripted = try ScriptedServer { stream in
                    try await stream.answer("HTTP/1.1 200 OK\nContent-Length: 9\n\nhello")
                    _ = try await stream.untilClosed()
                }
                let response = try await client.get(scripted.url)
                same(try await giveUp(after: .milliseconds(30)) { try await response.body.bytes(upTo: 9) }, nil)
                same(client.statistics.connections, 0)
            }
        }
    }

    @Test("what a request's body throws is thrown by who sends it; one that is too long or too short is an error")
    func failingBodies() async {
        await #expect(processExitsWith: .success) {
            struct Own: Error {}
            try clientProgram {
                let server = try RoutedServer(routes())
                let client = HTTPClient()
                func attempt(
                    _ length: Int?,
                    _ write: @escaping @MainActor (ClientBodyWriter) async throws -> Void
                ) async -> String {
                    await clientError {
                        _ = try await client.post("\(server.url)/length", .stream(length: length, write))
                    }
                }
                same(await attempt(nil) { _ in throw Own() }, "Own")
                same(await attempt(3) { try await $0.write("four") }, "BodyError")
                same(await attempt(3) { try await $0.write("xx") }, "the body is shorter than its announced length")
                same(client.statistics.connections, 0)
            }
        }
    }

    @Test(
        "an answer before the end of the request is an answer; the rest is not sent, and the connection is not used again"
    )
    func earlyAnswer() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let server = try RoutedServer(routes())
                let client = HTTPClient()
                let ended = Event()
                let body = ClientRequest.Body.stream(length: 1 << 30) { writer in
                    defer { ended.set() }
                    while true { try await writer.write([UInt8](repeating: 0, count: 1 << 16)) }
                }
                let response = try await client.post("\(server.url)/refused", body)
                same(response.status, .forbidden)
                same(try await response.body.string(upTo: 100), "no")
                try await ended.wait()
                same(client.statistics.connections, 0)
            }
        }
    }

    @Test("names and Unix sockets; a server that refuses is named, with what was asked of it")
    func places() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let server = try RoutedServer(routes())
                let client = HTTPClient()
                let port = server.listener.address.port ?? 0
                let named = try await client.get("http://localhost:\(port)/hello")
                same(try await named.body.string(upTo: 5), "hello")
                let path = "/tmp/spork-client-test-\(getpid())"
                let local = try RoutedServer(routes(), at: .unix(path))
                defer { local.listener.removeSocketFile() }
                var request = try ClientRequest(.get, "http://any/fields")
                request.address = .unix(path)
                same(
                    try await client.send(request).body.string(upTo: 99),
                    "GET /fields\nHost: any\nUser-Agent: spork\n"
                )
                same(client.statistics.connections, 2)
                let unused = try Listener(.loopback(port: 0)).address
                do { _ = try await client.get("http://\(unused)/x") } catch {
                    same("\(error)", "GET http://\(unused)/x: connect \(unused): connection refused")
                }
                same(
                    await clientError { _ = try await client.get("http://a b/") },
                    "not a URL of the form http[s]://HOST[:PORT][/PATH]"
                )
                same(
                    await clientError { _ = try await client.get("http://no..name/") },
                    "resolve no..name: not a host name"
                )
                client.close()
                same(client.statistics.connections, 0)
                same(await clientError { _ = try await client.get("\(server.url)/hello") }, "closed")
            }
        }
    }
}
