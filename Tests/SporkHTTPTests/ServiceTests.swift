// Routers served over real connections, in one process: middleware, errors, streams, events, upgrades, limits of time. Each test talks to a server of its
// own and reads what comes back to the end.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@testable import SporkHTTP

private struct Teapot: Error, ResponseConvertible {
    var response: Response { Response(Status(418, "I'm a teapot"), text: "short and stout") }
}

@Suite struct ServiceTests {
    @Test("errors become answers: their own, a status, 503 for a time limit, 500 for the rest; the connection goes on")
    func errors() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.get("/own") { _ -> String in throw Teapot() }
                router.get("/later") { _ -> String in
                    await EventLoop.stepBack()
                    throw HTTPError(.conflict, "<no>")
                }
                router.get("/limit") { _ in
                    try await withTimeout(.zero) { try await sleep(for: .seconds(9)) }; return "x"
                }
                router.get("/other") { _ -> String in throw CancellationError() }
                let service = try Service(router)
                #expect(try await service.answer(get("/own")).status == "418")
                let conflict = try await service.answer(get("/later"))
                #expect(conflict.status == "409" && conflict.contains("&lt;no&gt;"))
                #expect(try await service.answer(get("/limit")).status == "503")
                let both = try await service.answer("GET /other HTTP/1.1\nHost: a\n\n", get("/own"))
                #expect(both.status == "500" && both.contains("HTTP/1.1 418 "))
                exit(0)
            }
        }
    }

    @Test("middleware: the first outermost, around routes and what has none; groups have their own")
    func middleware() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                func mark(_ name: String) -> Middleware {
                    { request, next in
                        var response = try await next(request)
                        response.headers.add("X-Mark", name)
                        return response
                    }
                }
                router.use(mark("outer"))
                router.use(mark("inner"))
                router.get("/plain") { _ in "plain" }
                router.group("/group", [mark("group")]) { group in
                    group.get("/one") { _ in "one" }
                    group.group("/{deep}", [mark("deep")]) { $0.get("/two") { request in "two \(request["deep"])" } }
                }
                let service = try Service(router)
                func marks(_ path: String) async throws -> [String] {
                    try await service.answer(get(path)).split(separator: "\r\n").filter { $0.hasPrefix("X-Mark: ") }.map
                    { String($0.dropFirst(8)) }
                }
                #expect(try await marks("/plain") == ["inner", "outer"])
                #expect(try await marks("/nothing") == ["inner", "outer"])
                #expect(try await marks("/group/one") == ["group", "inner", "outer"])
                #expect(try await marks("/group/x/two") == ["deep", "group", "inner", "outer"])
                #expect(try await service.answer(get("/group/x/two")).hasSuffix("two x"))
                exit(0)
            }
        }
    }

    @Test("a deadline cancels the handler, tells its client, and holds nobody up")
    func deadline() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                var wasCancelled = false
                router.group("", [Middlewares.deadline(.milliseconds(20))]) { group in
                    group.get("/slow") { _ in
                        do { try await sleep(for: .seconds(60)) } catch { wasCancelled = true; throw error }
                        return "slept"
                    }
                    group.get("/quick") { _ in "quick" }
                }
                let service = try Service(router)
                let slow = spawn { try await service.answer(get("/slow")) }
                #expect(try await service.answer(get("/quick")).hasSuffix("quick"))
                #expect(try await slow.value.status == "503")
                #expect(wasCancelled)
                exit(0)
            }
        }
    }

    @Test(
        "a deadline counts until the handler returns: what it streams takes as long as it takes, and so do its errors"
    )
    func deadlineAndStreams() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.use(Middlewares.deadline(.milliseconds(20), status: .gatewayTimeout))
                router.get("/stream") { _ in
                    Response.stream(type: "text/plain") { answer in
                        try await answer.write("one ")
                        try await sleep(for: .milliseconds(60))
                        try await answer.write("two")
                    }
                }
                router.post("/body") { request in try await request.body.string(upTo: 100_000) }
                router.get("/caught") { _ in
                    // One who does not listen is not answered for: his own answer comes too late.
                    do { try await sleep(for: .seconds(60)) } catch {}
                    return "late"
                }
                let service = try Service(router)
                let answer = try await service.answer(get("/stream"))
                #expect(answer.status == "200" && answer.contains("one ") && answer.contains("two"))
                // A body that does not come is waited for no longer either.
                let waiting = try await service.answer("POST /body HTTP/1.1\nHost: a\nContent-Length: 100000\n\nab")
                #expect(waiting.status == "504" && waiting.has("Connection: close"))
                #expect(["200", "504"].contains(try await service.answer(get("/caught")).status))
                exit(0)
            }
        }
    }

    @Test("preflights are answered for all routes where the middleware is the router's; other sites are told nothing")
    func preflights() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                @MainActor func service(_ middleware: @escaping Middleware) throws -> Service {
                    let router = Router()
                    router.use(middleware)
                    router.put("/a") { _ in "put" }
                    return try Service(router)
                }
                @MainActor func preflight(_ origin: String) -> String {
                    "OPTIONS /a HTTP/1.1\nHost: a\nOrigin: \(origin)\nAccess-Control-Request-Method: PUT\n"
                        + "Access-Control-Request-Headers: x-one\nConnection: close\n\n"
                }
                let some = try service(
                    Middlewares.crossOrigin(
                        ["https://b", "null"],
                        methods: [.put],
                        headers: ["X-One", "X-Two"],
                        maxAge: .seconds(5)
                    )
                )
                let allowed = try await some.answer(preflight("https://b"))
                #expect(allowed.status == "204" && allowed.has("Access-Control-Allow-Origin: https://b"))
                #expect(allowed.has("Access-Control-Allow-Methods: PUT") && allowed.has("Vary: Origin"))
                #expect(
                    allowed.has("Access-Control-Allow-Headers: X-One, X-Two")
                        && allowed.has("Access-Control-Max-Age: 5")
                )
                for other in ["https://c", "https://b.c", "https://B", "http://b", "https://b:444"] {
                    let refused = try await some.answer(preflight(other))
                    #expect(!refused.contains("Access-Control") && refused.has("Vary: Origin"), "\(other)")
                }
                // What is no preflight gets the router's own answer, with the field for this site.
                let options = try await some.answer(
                    "OPTIONS /a HTTP/1.1\nHost: a\nOrigin: https://b\nConnection: close\n\n"
                )
                #expect(options.has("Allow: PUT, OPTIONS") && options.has("Access-Control-Allow-Origin: https://b"))
                let own = try await some.answer("PUT /a HTTP/1.1\nHost: a\nContent-Length: 0\nConnection: close\n\n")
                #expect(own.hasSuffix("put") && own.has("Vary: Origin") && !own.contains("Access-Control"))
                let all = try service(Middlewares.crossOrigin(nil))
                let anybody = try await all.answer(preflight("https://c"))
                #expect(anybody.has("Access-Control-Allow-Origin: *") && !anybody.contains("Vary"))
                #expect(!anybody.contains("Access-Control-Allow-Headers") && anybody.has("Access-Control-Max-Age: 600"))
                exit(0)
            }
        }
    }

    @Test("names and passwords, rates, request ids, security fields, other sites")
    func access() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.use(Middlewares.requestID())
                router.use(Middlewares.securityHeaders())
                let known = Middlewares.basicAuthentication(realm: "r\"") { name, password in
                    name == "u" && Middlewares.areEqual(password, "p:w")
                        || name == "v" && Middlewares.areEqual(password, "\u{301}w")
                }
                router.group("/private", [known]) { $0.get("/") { request in "hello \(request.user ?? "")" } }
                router.group("/rare", [Middlewares.rateLimit(2, per: .seconds(3600))]) {
                    $0.get("/") { request in request.id ?? "" }
                }
                router.group("/open", [Middlewares.crossOrigin(["https://b"])]) { group in
                    group.get("/") { _ in "open" }
                    group.on(.options, "/") { _ in Status.noContent }
                }
                let service = try Service(router)
                let refused = try await service.answer(get("/private/"))
                #expect(
                    refused.status == "401" && refused.has("WWW-Authenticate: Basic realm=\"r\", charset=\"UTF-8\"")
                )
                #expect(
                    try await service.answer(get("/private/", "Authorization: basic  dTpwOnc=\n")).hasSuffix("hello u")
                )
                // The colon ends the name, also where an accent stands behind it.
                #expect(
                    try await service.answer(get("/private/", "Authorization: Basic djrMgXc=\n")).hasSuffix("hello v")
                )
                for wrong in ["Basic dTpwOnc", "Basic dTpw", "Basic", "Bearer dTpwOnc=", "Basic =", "Basic dTp3OnA="] {
                    #expect(try await service.answer(get("/private/", "Authorization: \(wrong)\n")).status == "401")
                }
                #expect(try await service.answer(get("/rare/", "X-Request-ID: mine-1\n")).has("X-Request-ID: mine-1"))
                let other = try await service.answer(get("/rare/", "X-Request-ID: not mine\n"))
                #expect(!other.contains("not mine") && other.has("X-Content-Type-Options: nosniff"))
                let third = try await service.answer(get("/rare/"))
                #expect(third.status == "429" && third.has("Retry-After: 1800"))
                let open = try await service.answer(get("/open/", "Origin: https://b\n"))
                #expect(open.has("Access-Control-Allow-Origin: https://b") && open.has("Vary: Origin"))
                #expect(!(try await service.answer(get("/open/", "Origin: https://c\n"))).contains("Access-Control"))
                let preflight =
                    "OPTIONS /open/ HTTP/1.1\nHost: a\nOrigin: https://b\nAccess-Control-Request-Method: POST\nConnection: close\n\n"
                let allowed = try await service.answer(preflight)
                #expect(allowed.status == "204" && allowed.has("Access-Control-Allow-Methods: GET, HEAD, POST"))
                exit(0)
            }
        }
    }

    @Test("a stream has the length that it has announced, or its connection is closed")
    func streams() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.get("/short") { _ in Response.stream(length: 5) { try await $0.write("abc") } }
                router.get("/long") { _ in Response.stream(length: 2) { try await $0.write("abc") } }
                router.get("/trailers") { _ in
                    Response.stream { body in
                        try await body.write("abc")
                        body.trailers["X-Sum"] = "6"
                    }
                }
                router.get("/fails") { _ in Response.stream { _ in throw HTTPError(.conflict) } }
                router.get("/breaks") { _ in
                    Response.stream { body in
                        try await body.write("abc")
                        throw HTTPError(.conflict)
                    }
                }
                let service = try Service(router)
                #expect(try await service.answer(get("/short")).hasSuffix("\r\n\r\nabc"))
                // Nothing has been said when it is found to be wrong.
                #expect(try await service.answer(get("/long")).status == "500")
                #expect(
                    try await service.answer(get("/trailers")).hasSuffix("\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n")
                )
                #expect(try await service.answer(get("/fails")).status == "409")
                let broken = try await service.answer(get("/breaks"))
                #expect(broken.status == "200" && broken.hasSuffix("3\r\nabc\r\n"))
                exit(0)
            }
        }
    }

    @Test("events end when their client goes, also while nothing happens")
    func events() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                let ended = Event()
                router.get("/events") { _ in
                    Response.events { events in
                        defer { ended.set() }
                        try await events.send("first", id: events.lastEventID)
                        try await sleep(for: .seconds(3600))
                    }
                }
                let service = try Service(router)
                let client = try await SocketStream.connect(to: service.listener.address)
                try await client.write("GET /events HTTP/1.1\nHost: a\nLast-Event-ID: 7\n\n".replacingLineEnds())
                var received = ""
                while !received.contains("id: 7\ndata: first\n\n") {
                    received += String(decoding: try await client.read(atMost: 4096), as: UTF8.self)
                }
                #expect(received.has("Content-Type: text/event-stream"))
                client.close()
                #expect(try await ended.wait(within: .seconds(10)))
                exit(0)
            }
        }
    }

    @Test("upgrade and tunnel: the handler gets the connection, and what was sent ahead")
    func takeovers() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.get("/upgrade") { request in
                    guard request.offeredUpgrades.contains("parrot") else { throw HTTPError(.upgradeRequired) }
                    return Response.upgrade(to: "parrot") { stream in
                        while let line = try await stream.readLine(limit: 100) { try await stream.write("\(line)!\n") }
                    }
                }
                router.connect { request in
                    Response.tunnel { stream in try await stream.write("to \(request.host ?? "")") }
                }
                let service = try Service(router)
                let upgrade = "GET /upgrade HTTP/1.1\nHost: a\nConnection: x, Upgrade\nUpgrade: other, parrot\n\n"
                let client = try await SocketStream.connect(to: service.listener.address)
                client.readTimeout = .seconds(10)
                try await client.write(upgrade.replacingLineEnds() + "one\ntwo\n")
                client.shutdownWrite()
                let received = try await client.readToEnd()
                #expect(
                    received.status == "101" && received.has("Upgrade: parrot") && received.has("Connection: Upgrade")
                )
                #expect(received.hasSuffix("\r\n\r\none!\ntwo!\n"))
                #expect(try await service.answer(get("/upgrade", "Upgrade: parrot\n")).status == "426")
                let tunnel = try await service.answer("CONNECT b:443 HTTP/1.1\nHost: b:443\n\n")
                #expect(tunnel.status == "200" && tunnel.hasSuffix("to b:443") && !tunnel.contains("Content-Length"))
                exit(0)
            }
        }
    }

    @Test("a body that does not come, or comes too slowly, is answered with 408; hosts, early hints, cookies")
    func limits() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                var configuration = HTTPServer.Configuration()
                configuration.bodyTimeout = .milliseconds(30)
                let router = Router()
                router.hosts = ["a"]
                router.post("/") { request in try await request.body.string(upTo: 100_000) }
                router.get("/hints") { request in
                    try await request.sendEarlyHints(["</a.css>; rel=preload"])
                    var response = Response(text: request.cookies["c"] ?? "")
                    response.setCookie(SetCookie("d", "1"))
                    return response
                }
                let service = try Service(router, configuration)
                #expect(try await service.answer("POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nhell").status == "408")
                #expect(
                    try await service.answer("POST / HTTP/1.1\nHost: a\nContent-Length: 2\nConnection: close\n\n\u{e4}")
                        .hasSuffix("\u{e4}")
                )
                #expect(try await service.answer("GET / HTTP/1.1\nHost: b\nConnection: close\n\n").status == "421")
                #expect(
                    try await service.answer("GET http://b/ HTTP/1.1\nHost: a\nConnection: close\n\n").status == "421"
                )
                let hints = try await service.answer(get("/hints", "Cookie: c=x\n"))
                #expect(
                    hints.hasPrefix(
                        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n"
                    )
                )
                #expect(hints.has("Set-Cookie: d=1; Path=/; HttpOnly; SameSite=Lax") && hints.hasSuffix("x"))

                var slow = HTTPServer.Configuration()
                (slow.bodyGrace, slow.leastBodyRate) = (.milliseconds(50), 1_000_000)
                let strict = try Service(router, slow)
                let client = try await SocketStream.connect(to: strict.listener.address)
                client.readTimeout = .seconds(10)
                try await client.write("POST / HTTP/1.1\nHost: a\nContent-Length: 9\n\n".replacingLineEnds())
                let drip = spawn { while true { try await client.write("x"); try await sleep(for: .milliseconds(15)) } }
                #expect(try await client.readToEnd().status == "408")
                drip.cancel()
                exit(0)
            }
        }
    }

    @Test("a request that its handler keeps stays as it was when the connection goes on")
    func keptRequest() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                var kept: [Request] = []
                router.get("/{name}") { request in
                    kept.append(request)
                    return request["name"]
                }
                let service = try Service(router)
                _ = try await service.answer(
                    "GET /one HTTP/1.1\nHost: a\n\nGET /two HTTP/1.1\nHost: a\n\n",
                    get("/three")
                )
                #expect(kept.map { $0["name"] } == ["one", "two", "three"])
                await #expect(throws: HTTPError.self) { try await kept[0].body.bytes(upTo: 1) }
                exit(0)
            }
        }
    }
}
