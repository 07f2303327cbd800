// Messages in the types of swift-http-types, both ways.
import Glibc
import HTTPTypes
import Spork
import SporkHTTP
import SporkHTTPTypes
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@Suite struct ConversionTests {
    @Test("fields keep their order, their doubles and their case; what no field may have does not come through")
    func fields() {
        var headers = Headers()
        headers.add("X-One", "1")
        headers.add("Content-Type", "text/plain")
        headers.add("x-one", "2")
        let fields = HTTPFields(headers)
        // The type stands first in an answer of ours, whenever it was set.
        #expect(
            fields.map { "\($0.name.rawName): \($0.value)" } == ["Content-Type: text/plain", "X-One: 1", "x-one: 2"]
        )
        #expect(fields[values: HTTPField.Name("X-ONE")!] == ["1", "2"])
        #expect(
            Headers(fields).map { "\($0.name): \($0.value)" } == ["Content-Type: text/plain", "X-One: 1", "x-one: 2"]
        )
        var smuggled = HTTPFields()
        smuggled.append(HTTPField(name: .cookie, value: "a\r\nSet-Cookie: b"))
        #expect(Headers(smuggled)["Cookie"]?.contains("\r") == false)
    }

    @Test("answers, with the usual phrase for their code, or none")
    func responses() {
        var response = Response(.notFound, text: "nothing")
        response.headers.add("X-One", "1")
        let converted = HTTPResponse(response)
        #expect(converted.status == .notFound && converted.status.reasonPhrase == "Not Found")
        #expect(converted.headerFields[.contentType] == "text/plain; charset=utf-8")
        let back = Response(converted, bytes: Array("abc".utf8))
        #expect(back.status == .notFound && "\(back.status.reason)" == "Not Found")
        #expect(back.headers["X-One"] == "1" && back.headers.values("Content-Type").count == 1)
        #expect(Response(HTTPResponse(status: 599)).status.code == 599)
        #expect(Response(HTTPResponse(status: .noContent)).headers.map(\.name) == [])
        #expect(HTTPMethod(.get) == .get && HTTPMethod(.query) == .unknown)
    }

    @Test("requests: method, scheme, authority, path and query, fields without Host")
    func requests() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                var seen: [HTTPRequest] = []
                router.use { request, next in
                    seen.append(HTTPRequest(request))
                    return try await next(request)
                }
                let listener = try Listener(.loopback(port: 0))
                let http = HTTPServer(router: router)
                let server = StreamServer([listener], handler: { http.handler(for: $0) })
                spawn("server") { try await server.run() }
                let client = try await SocketStream.connect(to: listener.address)
                client.readTimeout = .seconds(10)
                for line in ["GET /a%20b?c=d", "BREW http://h:1?x", "OPTIONS *", "HEAD http://h/p"] {
                    let last = line.hasPrefix("HEAD") ? "Connection: close\r\n" : ""
                    try await client.write("\(line) HTTP/1.1\r\nHost: a:80\r\nX-One: 1\r\nX-One: 2\r\n\(last)\r\n")
                }
                while try await !client.read(atMost: 65_536).isEmpty {}
                #expect(seen.map(\.method.rawValue) == ["GET", "BREW", "OPTIONS", "HEAD"])
                #expect(seen.map(\.path) == ["/a%20b?c=d", "/?x", "*", "/p"])
                #expect(seen.map(\.authority) == ["a:80", "h:1", "a:80", "h"])
                #expect(
                    seen.allSatisfy {
                        $0.scheme == "http" && $0.headerFields[values: HTTPField.Name("X-One")!] == ["1", "2"]
                    }
                )
                #expect(seen.allSatisfy { !$0.headerFields.contains { $0.name.canonicalName == "host" } })
                exit(0)
            }
        }
    }
}
