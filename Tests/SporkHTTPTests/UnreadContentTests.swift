// Answers to requests whose content nobody has read, or not all of it: they arrive whole, and say what becomes of the connection. Also what
// a server makes of clients that say more than they should. Each test talks to a server of its own.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@testable import SporkHTTP

@Suite struct UnreadContentTests {
    @Test(
        "an answer that is written piece by piece is whole, also where the connection cannot go on behind the content"
    )
    func streams() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                @MainActor func stream(_ pieces: Int) -> Response {
                    Response.stream { writer in for _ in 0..<pieces { try await writer.write("xxx") } }
                }
                router.on([.get, .post], "/stream/{pieces}") { request in stream(Int(request["pieces"]) ?? 0) }
                let service = try Service(router)
                let contents = [
                    "Content-Length: 3\nExpect: 100-continue\n\n", "Content-Length: 270000\n\n",
                    "Content-Length: 270000\n\n" + String(repeating: "c", count: 100_000),
                    "Transfer-Encoding: chunked\n\nzz\n",
                ]
                for content in contents {
                    for pieces in 0...2 {
                        let request = " /stream/\(pieces) HTTP/1.1\nHost: a\n" + content
                        let answer = try await service.answer("GET" + request)
                        #expect(answer.status == "200")
                        let body = String(repeating: "3\r\nxxx\r\n", count: pieces) + "0\r\n\r\n"
                        #expect(answer.hasSuffix("\r\n\r\n" + body), "\(content.prefix(60)): \(answer)")
                        let head = try await service.answer("HEAD" + request)
                        #expect(head.status == "200" && head.hasSuffix("\r\n\r\n") && head.has("Connection: close"))
                    }
                }
                // What the server knows before it begins it says.
                let waiting = "POST /stream/1 HTTP/1.1\nHost: a\nContent-Length: 3\nExpect: 100-continue\n\n"
                #expect(try await service.answer(waiting).has("Connection: close"))
                exit(0)
            }
        }
    }

    @Test("a handler that reads before it writes has its client told to go on, and the connection goes on")
    func echo() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.post("/echo") { request in
                    Response.stream { writer in for try await piece in request.body { try await writer.write(piece) } }
                }
                let service = try Service(router)
                let request = "POST /echo HTTP/1.1\nHost: a\nContent-Length: 3\nExpect: 100-continue\n\n"
                let client = try await SocketStream.connect(to: service.listener.address)
                client.readTimeout = .seconds(10)
                for _ in 0..<2 {
                    try await client.write(request.replacingLineEnds())
                    #expect(try await client.readLine(limit: 100) == "HTTP/1.1 100 Continue")
                    _ = try await client.readLine(limit: 100)
                    try await client.write("abc")
                    let answer = try await client.read(until: Array("3\r\nabc\r\n0\r\n\r\n".utf8), limit: 1000)
                    #expect(!String(decoding: answer ?? [], as: UTF8.self).has("Connection: close"))
                }
                exit(0)
            }
        }
    }

    @Test("events end when their client goes, also when it has sent more, or content that nobody reads")
    func events() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                let begun = Queue<Int>(capacity: 10)
                let ended = Queue<Int>(capacity: 10)
                router.on([.get, .post], "/events") { _ in
                    Response.events { _ in
                        defer { _ = ended.trySend(1) }
                        _ = begun.trySend(1)
                        try await sleep(for: .seconds(1000))
                    }
                }
                let service = try Service(router)
                let requests = [
                    ("GET /events HTTP/1.1\nHost: a\n\n", "G"), ("GET /events HTTP/1.1\nHost: a\n\n", ""),
                    ("POST /events HTTP/1.1\nHost: a\nContent-Length: 2\n\nab", ""),
                    ("POST /events HTTP/1.1\nHost: a\nContent-Length: 2\n\nab", "GET / HTTP/1.1\n"),
                ]
                for (request, more) in requests {
                    let client = try await SocketStream.connect(to: service.listener.address)
                    try await client.write(request.replacingLineEnds())
                    _ = try await begun.receive()
                    if !more.isEmpty {
                        try await client.write(more)
                        // It has been seen before the end is.
                        try await sleep(for: .milliseconds(5))
                    }
                    client.close()
                    let end = try await withTimeout(.seconds(5)) { try await ended.receive() }
                    #expect(end == 1)
                }
                exit(0)
            }
        }
    }

    @Test("without keep-alive each connection is closed behind its first answer, and the first request has its time")
    func withoutKeepAlive() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.get("/now") { _ in "now" }
                router.get("/stream") { _ in Response.stream { try await $0.write("x") } }
                router.get("/later") { _ in
                    try await sleep(for: .milliseconds(1))
                    return "later"
                }
                var configuration = HTTPServer.Configuration()
                configuration.keepAliveTimeout = .zero
                let service = try Service(router, configuration)
                for path in ["/now", "/stream", "/later", "/none"] {
                    let client = try await SocketStream.connect(to: service.listener.address)
                    client.readTimeout = .seconds(10)
                    // The server has the connection by then, and nothing else.
                    try await sleep(for: .milliseconds(10))
                    try await client.write("GET \(path) HTTP/1.1\nHost: a\n\n".replacingLineEnds())
                    let answer = try await client.readToEnd()
                    #expect(answer.hasPrefix("HTTP/1.1 ") && answer.has("Connection: close"))
                }
                exit(0)
            }
        }
    }

    @Test("what middleware adds to answers it adds to errors, too; each is reported once")
    func errorsInMiddleware() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                struct Unknown: Error {}
                let router = Router()
                router.use(Middlewares.securityHeaders())
                router.use(Middlewares.requestID())
                router.use(Middlewares.crossOrigin(["https://a.example"]))
                router.use(Middlewares.deadline(.milliseconds(20), status: .gatewayTimeout))
                router.use(Middlewares.requestID("X-Inner"))
                router.get("/bad") { _ -> String in throw HTTPError(.badRequest, "no") }
                router.get("/unknown") { _ -> String in throw Unknown() }
                router.get("/slow") { _ -> String in
                    try await sleep(for: .seconds(100))
                    return ""
                }
                router.get("/two") { _ -> String in
                    var headers = Headers()
                    headers.add("WWW-Authenticate", "Basic realm=a")
                    headers.add("WWW-Authenticate", "Digest realm=b")
                    throw HTTPError(.unauthorized, headers: headers)
                }
                router.post("/form") { request in try await request.body.form(upTo: 100)["a"] ?? "" }
                var reported = 0
                let service = try Service(router, onError: { _, _ in reported += 1 })
                let expected = ["/bad": "400", "/unknown": "500", "/slow": "504", "/two": "401", "/none": "404"]
                for (path, status) in expected {
                    let answer = try await service.answer(
                        get(path, "Origin: https://a.example\nX-Request-ID: r1\nX-Inner: i1\n")
                    )
                    let fields = ["X-Content-Type-Options: nosniff", "X-Request-ID: r1", "Vary: Origin"]
                    for field in fields + ["Access-Control-Allow-Origin: https://a.example"] {
                        #expect(answer.has(field), "\(path): \(field)")
                    }
                    #expect(answer.status == status && answer.has("X-Inner: i1") == (path != "/slow"))
                    if path == "/two" {
                        #expect(answer.has("WWW-Authenticate: Basic realm=a"))
                        #expect(answer.has("WWW-Authenticate: Digest realm=b"))
                    }
                }
                #expect(reported == 1)
                for blank in ["", " ", "\t", " \t"] {
                    let type = "Content-Type: application/x-www-form-urlencoded\(blank); charset=utf-8\n"
                    let form = "POST /form HTTP/1.1\nHost: a\nConnection: close\n\(type)Content-Length: 3\n\na=b"
                    #expect(try await service.answer(form).hasSuffix("\r\n\r\nb"))
                }
                exit(0)
            }
        }
    }
}
