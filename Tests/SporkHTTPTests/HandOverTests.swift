// Connections that change hands or end in unusual places: content before a tunnel, refusals of requests that are hardly there.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@testable import SporkHTTP

@Suite struct HandOverTests {
    @Test("content that nobody has read is not what a tunnel begins with; where it has not come, there is no tunnel")
    func contentBeforeTunnel() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                var tunnels = 0
                router.connect { _ in
                    Response.tunnel { stream in
                        tunnels += 1
                        while let line = try await stream.readLine(limit: 100) { try await stream.write("[\(line)]") }
                    }
                }
                router.post("/upgrade") { request in
                    let content = try await request.body.string(upTo: 100)
                    return Response.upgrade(to: "parrot") { stream in
                        tunnels += 1
                        while let line = try await stream.readLine(limit: 100) {
                            try await stream.write("[\(content) \(line)]")
                        }
                    }
                }
                let service = try Service(router)
                let connect = "CONNECT b:443 HTTP/1.1\nHost: b:443\n"
                #expect(
                    try await service.answer(connect + "Content-Length: 5\n\nabc\nd\n", halfCloses: true).hasSuffix(
                        "\r\n\r\n[d]"
                    )
                )
                let chunked = "Transfer-Encoding: chunked\n\n3\nabc\n0\n\nd\n"
                #expect(try await service.answer(connect + chunked, halfCloses: true).hasSuffix("\r\n\r\n[d]"))
                #expect(tunnels == 2)
                for part in ["Content-Length: 9\n\nabc\n", "Transfer-Encoding: chunked\n\n3\nabc\n0\n"] {
                    let refused = try await service.answer(connect + part, halfCloses: true)
                    #expect(refused.status == "400" && refused.has("Connection: close"))
                }
                #expect(tunnels == 2)
                let fields = "Connection: Upgrade\nUpgrade: parrot\nContent-Length: 3\n\n"
                let upgrade = "POST /upgrade HTTP/1.1\nHost: a\n" + fields + "abcd\n"
                #expect(try await service.answer(upgrade, halfCloses: true).hasSuffix("\r\n\r\n[abc d]"))
                exit(0)
            }
        }
    }

    @Test("a request for HEAD that is refused has no content behind its answer, also where empty lines stand before it")
    func refusedHead() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                var configuration = HTTPServer.Configuration()
                configuration.requestLimits.requestLine = 100
                configuration.headerTimeout = .milliseconds(50)
                let service = try Service(router, configuration)
                for start in ["", "\n", "\n\n"] {
                    let tooLong = try await service.answer(start + "HEAD /" + String(repeating: "x", count: 200))
                    #expect(tooLong.status == "414" && tooLong.hasSuffix("\r\n\r\n"))
                    let tooSlow = try await service.answer(start + "HEAD /x")
                    #expect(tooSlow.status == "408" && tooSlow.hasSuffix("\r\n\r\n"))
                    let other = try await service.answer(start + "GET /x")
                    #expect(other.status == "408" && !other.hasSuffix("\r\n\r\n"))
                }
                exit(0)
            }
        }
    }

    @Test("fields about framing do not leave as trailers")
    func trailers() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.get("/") { _ in
                    Response.stream { writer in
                        try await writer.write("x")
                        writer.trailers["Content-Length"] = "7"
                        writer.trailers["Transfer-Encoding"] = "chunked"
                        writer.trailers["X-Sum"] = "1"
                    }
                }
                let service = try Service(router)
                let answer = try await service.answer(get("/"))
                #expect(answer.hasSuffix("1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n"))
                exit(0)
            }
        }
    }
}
