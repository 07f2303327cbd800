// What a handler can ask of the engine, and a server of its clients: trailers, flushing, closing, every limit and time of the configuration.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@testable import SporkHTTP

private func limited(_ change: (inout HTTPServer.Configuration) -> Void) -> HTTPServer.Configuration {
    var configuration = HTTPServer.Configuration()
    change(&configuration)
    return configuration
}

@Suite struct EngineTests {
    @Test("trailers go both ways; what is about framing is not taken from them, and HTTP/1.0 gets none")
    func trailers() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.post("/") { request in
                    let before = request.trailers.map(\.name).count
                    let body = try await request.body.string(upTo: 100)
                    let text =
                        "\(before) \(body) \(request.trailers["X-Sum"] ?? "") \(request.trailers["Host"] ?? "none")"
                    return Response.stream(type: "text/plain") { answer in
                        answer.trailers["X-Length"] = "\(text.utf8.count)"
                        try await answer.write(text)
                    }
                }
                let service = try Service(router)
                let request =
                    "POST / HTTP/1.1\nHost: a\nConnection: close\nTransfer-Encoding: chunked\n\n3\nabc\n0\nX-Sum: 6\nHost: b\n\n"
                let answer = try await service.answer(request)
                #expect(answer.hasSuffix("\r\n\r\nc\r\n0 abc 6 none\r\n0\r\nX-Length: 12\r\n\r\n"), "\(answer)")
                let old = try await service.answer("POST / HTTP/1.0\nContent-Length: 3\n\nabc")
                #expect(old.hasSuffix("\r\n\r\n0 abc  none") && !old.contains("Transfer-Encoding"))
                exit(0)
            }
        }
    }

    @Test(
        "the head leaves before the body where the handler says so; an empty piece ends nothing; what is late goes nowhere"
    )
    func flushing() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                let goOn = Event()
                var kept: BodyWriter?
                router.get("/") { _ in
                    Response.stream(type: "text/plain") { answer in
                        kept = answer
                        try await answer.flush()
                        try await goOn.wait()
                        try await answer.write("")
                        try await answer.write([UInt8]("body".utf8))
                    }
                }
                let service = try Service(router)
                let client = try await SocketStream.connect(to: service.listener.address)
                client.readTimeout = .seconds(10)
                try await client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                let head = try await client.read(atMost: 65_536)
                #expect(String(decoding: head, as: UTF8.self).hasSuffix("\r\n\r\n"))
                goOn.set()
                #expect(try await client.readToEnd() == "4\r\nbody\r\n0\r\n\r\n")
                let writer = try #require(kept)
                await #expect(throws: BodyError.ended) { try await writer.write("late") }
                await #expect(throws: BodyError.ended) { try await writer.flush() }
                exit(0)
            }
        }
    }

    @Test("bytes with a type, answers that close, errors with fields, methods by name, nested groups")
    func answers() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.get("/bytes") { _ in Response(bytes: [0x61, 0x62], type: "x/y") }
                router.get("/json") { _ in Response(.created, json: "[1]".utf8) }
                router.get("/close") { _ in
                    var response = Response(text: "bye")
                    response.closesConnection = true
                    return response
                }
                router.get("/error") { _ -> String in
                    var headers = Headers()
                    headers["X-Why"] = "because"
                    throw HTTPError(.conflict, "<b>", headers: headers)
                }
                router.get("/who") { request in
                    #expect(!request.isSecure)
                    return
                        "\(request.clientAddress.map { $0.isLocal ? "local" : "remote" } ?? "nobody") \(request.methodName)"
                }
                router.on([.patch, .delete], "/both") { request in request.methodName }
                router.patch("/one") { _ in "patched" }
                router.delete("/one") { _ in "deleted" }
                router.group("/outer") { outer in
                    outer.group(
                        "/inner",
                        [
                            { request, next in
                                var response = try await next(request)
                                response.headers["X-In"] = "1"
                                return response
                            }
                        ]
                    ) { $0.delete("/{id}") { request in request["id"] } }
                }
                let service = try Service(router)
                let bytes = try await service.answer(get("/bytes"))
                #expect(bytes.has("Content-Type: x/y") && bytes.hasSuffix("\r\n\r\nab"))
                let json = try await service.answer(get("/json"))
                #expect(
                    json.has("Content-Type: application/json") && json.hasSuffix("\r\n\r\n[1]") && json.status == "201"
                )
                let closing = try await service.answer(
                    "GET /close HTTP/1.1\nHost: a\n\nGET /bytes HTTP/1.1\nHost: a\n\n"
                )
                #expect(closing.has("Connection: close") && closing.hasSuffix("bye"), "nothing is answered behind it")
                let error = try await service.answer(get("/error"))
                #expect(error.status == "409" && error.has("X-Why: because") && error.contains("<p>&lt;b&gt;</p>"))
                #expect("\(HTTPError(.conflict, "why"))" == "409 Conflict: why" && "\(HTTPError(.gone))" == "410 Gone")
                #expect("<a href='\"&\"'>".escapedForHTML == "&lt;a href=&#39;&quot;&amp;&quot;&#39;&gt;")
                #expect(try await service.answer(get("/who")).hasSuffix("remote GET"))
                @MainActor func ask(_ line: String) async throws -> String {
                    try await service.answer("\(line) HTTP/1.1\nHost: a\nConnection: close\n\n")
                }
                #expect(try await ask("PATCH /both").hasSuffix("PATCH"))
                #expect(try await ask("DELETE /both").hasSuffix("DELETE"))
                #expect(try await ask("PATCH /one").hasSuffix("patched"))
                #expect(try await ask("DELETE /one").hasSuffix("deleted"))
                let inner = try await ask("DELETE /outer/inner/7")
                #expect(inner.has("X-In: 1") && inner.hasSuffix("\r\n\r\n7"))
                #expect(try await ask("BREW /one").status == "501")
                exit(0)
            }
        }
    }

    @Test("limits on bodies: what is read without a limit, and what is dropped so that the connection goes on")
    func bodyLimits() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.post("/read") { request in
                    var count = 0
                    for try await piece in request.body { count += piece.count }
                    return "\(count)"
                }
                router.post("/more") { request in
                    var count = 0
                    for try await piece in request.body.chunks(upTo: 1000) { count += piece.count }
                    return "\(count)"
                }
                router.post("/leave") { _ in "left" }
                let service = try Service(
                    router,
                    limited {
                        $0.bodyLimit = 10
                        $0.mostDropped = 20
                    }
                )
                @MainActor func post(_ path: String, _ count: Int) async throws -> String {
                    let body = String(repeating: "x", count: count)
                    return try await service.answer(
                        "POST \(path) HTTP/1.1\nHost: a\nContent-Length: \(count)\n\n\(body)",
                        get("/none")
                    )
                }
                #expect(try await post("/read", 10).contains("\r\n\r\n10HTTP/1.1 404 "))
                #expect(try await post("/read", 11).status == "413")
                #expect(try await post("/more", 1000).contains("\r\n\r\n1000HTTP/1.1 404 "))
                #expect(try await post("/leave", 20).contains("leftHTTP/1.1 404 "))
                let chunks = "POST /leave HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n"
                #expect(try await service.answer(chunks, "5\nabcde\n0\n\n", get("/none")).contains("leftHTTP/1.1 404 "))
                // More than that is not read: the connection closes behind the answer.
                let client = try await SocketStream.connect(to: service.listener.address)
                client.readTimeout = .seconds(10)
                try await client.write("POST /leave HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
                let left = try await client.readToEnd()
                #expect(left.has("Connection: close") && left.hasSuffix("left"))
                exit(0)
            }
        }
    }

    @Test("times: for a head, between requests, for a client that takes nothing")
    func times() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                let over = Event()
                var reason = ""
                router.get("/") { _ in "ok" }
                router.get("/endless") { _ in
                    Response.stream(type: "text/plain") { answer in
                        defer { over.set() }
                        do {
                            while true { try await answer.write([UInt8](repeating: 0x78, count: 1 << 20)) }
                        } catch {
                            reason = "\((error as? StreamError)?.reason ?? .closed)"
                            throw error
                        }
                    }
                }
                let service = try Service(
                    router,
                    limited {
                        $0.headerTimeout = .milliseconds(300)
                        $0.keepAliveTimeout = .milliseconds(300)
                        $0.writeTimeout = .milliseconds(300)
                        $0.lingerTimeout = .milliseconds(300)
                    }
                )
                // A byte now and then does not buy more time.
                let client = try await SocketStream.connect(to: service.listener.address)
                client.readTimeout = .seconds(10)
                let drip = spawn {
                    for byte in "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "y", count: 10_000))".utf8 {
                        try await client.write([byte])
                        try await sleep(for: .milliseconds(10))
                    }
                }
                #expect(try await client.readToEnd().status == "408")
                drip.cancel()
                #expect(
                    try await service.answer("GET / HTTP/1.1\nHost: a\n\n").hasSuffix("ok"),
                    "and then it is closed"
                )
                #expect(try await service.answer() == "", "also one that has never asked")
                let slow = try await SocketStream.connect(to: service.listener.address)
                try await slow.write("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
                try await over.wait()
                // It is there until here, and has taken nothing.
                slow.close()
                #expect(reason == "timed out", "\(reason)")
                exit(0)
            }
        }
    }

    @Test("two hundred requests at once are answered in their order, more than one burst may take")
    func pipelining() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.get("/{name}") { request in Response(bytes: Array("<\(request["name"])>".utf8)) }
                let service = try Service(router)
                let requests = (0..<200).map { "GET /a\($0) HTTP/1.1\nHost: a\n\n" }.joined()
                let answers = try await service.answer(requests, get("/last"))
                let names = answers.split(separator: "<").dropFirst().map { $0.prefix { $0 != ">" } }
                #expect(names == (0..<200).map { "a\($0)" } + ["last"])
                exit(0)
            }
        }
    }
}
