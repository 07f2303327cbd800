// Bursts of requests: many connections in one turn of the loop, with coroutines and without, and writes that are given up. Each test talks to
// a server of its own.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@testable import SporkHTTP

@Suite struct BurstTests {
    @Test("answers that are there at once need no coroutine for each connection; handlers that suspend have one")
    func withoutCoroutines() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                var most = 0
                @MainActor func count() -> String {
                    most = max(most, EventLoop.statistics.coroutines)
                    return "x"
                }
                router.get("/now") { _ in count() }
                var waiting = 0
                let all = Event()
                router.get("/later") { _ in
                    waiting += 1
                    if waiting == 50 { all.set() }
                    try await all.wait()
                    return count()
                }
                let service = try Service(router)
                @MainActor func ask(_ path: String, of connections: Int, closing: Bool = false) async throws -> Int {
                    most = 0
                    let before = EventLoop.statistics.coroutines
                    var clients: [SocketStream] = []
                    for _ in 0..<connections { clients.append(try await .connect(to: service.listener.address)) }
                    let request = "GET \(path) HTTP/1.1\nHost: a\n\(closing ? "Connection: close\n" : "")\n"
                    for client in clients { try await client.write(request.replacingLineEnds()) }
                    for client in clients {
                        client.readTimeout = .seconds(20)
                        #expect(try await client.readLine(limit: 100) == "HTTP/1.1 200 OK")
                        if closing { #expect(try await client.readToEnd().hasSuffix("x")) }
                        client.close()
                    }
                    return most - before
                }
                let one = try await ask("/now", of: 1)
                #expect(try await ask("/now", of: 50) <= one + 1)
                #expect(try await ask("/now", of: 50, closing: true) <= one + 1)
                #expect(try await ask("/later", of: 50) >= 50)
                exit(0)
            }
        }
    }

    @Test("what many connections have sent in one turn of the loop stays each one's own while handlers suspend")
    func inOneTurn() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.post("/echo") { request in try await request.body.string(upTo: 1000) }
                router.get("/now") { request in request.target }
                let service = try Service(router)
                var clients: [SocketStream] = []
                for _ in 0..<20 { clients.append(try await .connect(to: service.listener.address)) }
                // They have been accepted, and wait.
                for client in clients {
                    try await client.write("GET /now?x HTTP/1.1\nHost: a\n\n".replacingLineEnds())
                    _ = try await client.read(until: Array("\r\n\r\n/now?x".utf8), limit: 1000)
                }
                // Nothing suspends here: a request that suspends, a half one behind it, and one that does not.
                for (number, client) in clients.enumerated() {
                    let body = String(repeating: "\(number % 10)", count: 50)
                    let text =
                        "POST /echo HTTP/1.1\nHost: a\nContent-Length: 50\n\n\(body)GET /now?\(number) HTTP/1.1\nHo"
                    try await client.write(text.replacingLineEnds())
                }
                for (number, client) in clients.enumerated() {
                    client.readTimeout = .seconds(20)
                    let body = String(repeating: "\(number % 10)", count: 50)
                    let first = try await client.read(until: Array("\r\n\r\n\(body)".utf8), limit: 1000)
                    #expect(String(decoding: first ?? [], as: UTF8.self).hasPrefix("HTTP/1.1 200 OK\r\n"))
                    try await client.write("st: a\nConnection: close\n\n".replacingLineEnds())
                    #expect(try await client.readToEnd().hasSuffix("\r\n\r\n/now?\(number)"))
                }
                exit(0)
            }
        }
    }

    @Test("handlers that take their time let others have their turn in between, although they never suspend")
    func slowHandlers() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                var (ticks, seen) = (0, Set<Int>())
                router.get("/slow") { _ in
                    seen.insert(ticks)
                    let end = ContinuousClock.now + .milliseconds(3)
                    while ContinuousClock.now < end {}
                    return "x"
                }
                let service = try Service(router)
                var clients: [SocketStream] = []
                for _ in 0..<20 { clients.append(try await .connect(to: service.listener.address)) }
                // All come in one turn of the loop.
                for client in clients { try await client.write(get("/slow").replacingLineEnds()) }
                spawn {
                    while true {
                        ticks += 1
                        await EventLoop.stepBack()
                    }
                }
                for client in clients { #expect(try await client.readToEnd().hasSuffix("x")) }
                #expect(seen.count == 20)
                exit(0)
            }
        }
    }

    @Test("what a cancelled write leaves behind goes out before what is written next, once")
    func flushAfterCancellation() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                let gaveUp = Event()
                // More than the kernel takes for a client that does not read.
                let link = String(repeating: "0123456789abcdef", count: 1 << 20)
                router.get("/hints") { request in
                    do {
                        try await withTimeout(.milliseconds(20)) { try await request.sendEarlyHints([link]) }
                        return "it was sent"
                    } catch {
                        gaveUp.set()
                        return "given up"
                    }
                }
                let service = try Service(router)
                let client = try await SocketStream.connect(to: service.listener.address)
                client.readTimeout = .seconds(20)
                try await client.write(get("/hints").replacingLineEnds())
                try await gaveUp.wait()
                let answer = try await client.readToEnd()
                #expect(answer.hasPrefix("HTTP/1.1 103 Early Hints\r\nLink: \(link)\r\n\r\nHTTP/1.1 200 OK\r\n"))
                #expect(answer.hasSuffix("\r\n\r\ngiven up"))
                exit(0)
            }
        }
    }

    @Test("a body whose writer is cancelled ends there: what has come is its beginning, and the connection is closed")
    func bodyAfterCancellation() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                let gaveUp = Event()
                let piece = String(repeating: "0123456789abcdef", count: 1 << 20)
                router.get("/body") { _ in
                    Response.stream(length: piece.utf8.count + 1) { body in
                        do { try await withTimeout(.milliseconds(20)) { try await body.write(piece) } } catch {}
                        gaveUp.set()
                        await #expect(throws: BodyError.ended) { try await body.write("x") }
                    }
                }
                let service = try Service(router)
                let client = try await SocketStream.connect(to: service.listener.address)
                client.readTimeout = .seconds(20)
                try await client.write("GET /body HTTP/1.1\nHost: a\n\n".replacingLineEnds())
                try await gaveUp.wait()
                let answer = try await client.readToEnd()
                #expect(answer.has("Content-Length: \(piece.utf8.count + 1)") && answer.utf8.count < piece.utf8.count)
                let body = answer.split(separator: "\r\n\r\n", maxSplits: 1).last ?? ""
                #expect(body.utf8.count > 10_000 && piece.hasPrefix(body))
                exit(0)
            }
        }
    }
}
