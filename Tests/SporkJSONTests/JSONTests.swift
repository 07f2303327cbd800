// Values in JSON, both ways, from a server within the test, and what clients are told of bodies that are none.
import Glibc
import Spork
import SporkHTTP
import SporkJSON
import SporkLoop
import SporkNet
import SporkTasks
import Testing

private struct Words: Codable, Equatable {
    struct Word: Codable, Equatable {
        var text: String
        var count: Int
    }

    var words: [Word]
    var comment: String?
}

@Suite struct JSONTests {
    @Test("bodies become values, values bodies; whatever is not fit gets the status that is due, and the place")
    func bodies() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.post("/words") { request in
                    var words = try await request.json(Words.self, upTo: 1000)
                    words.words.reverse()
                    return try Response.json(words, .created)
                }
                router.get("/infinite") { _ in try Response.json([Double.infinity]) }
                router.get("/link") { _ in try Response.json(["a": "https://a/b"]) }
                let listener = try Listener(.loopback(port: 0))
                let http = HTTPServer(router: router)
                http.onError = { _, _ in }
                let server = StreamServer([listener], handler: { http.handler(for: $0) })
                spawn("server") { try await server.run() }

                @MainActor func exchange(_ request: String) async throws -> String {
                    let client = try await SocketStream.connect(to: listener.address)
                    client.readTimeout = .seconds(10)
                    try await client.write(request)
                    var bytes: [UInt8] = []
                    while true {
                        let more = try await client.read(atMost: 65_536)
                        if more.isEmpty { return String(decoding: bytes, as: UTF8.self) }
                        bytes += more
                    }
                }
                @MainActor func post(_ body: String, type: String? = "application/json") async throws -> String {
                    let field = type.map { "Content-Type: \($0)\r\n" } ?? ""
                    return try await exchange(
                        "POST /words HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\(field)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
                    )
                }
                @MainActor func get(_ path: String) async throws -> String {
                    try await exchange("GET \(path) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                }

                let whole = #"{"words":[{"text":"a/\u00fc","count":1},{"text":"b","count":2}]}"#
                for type in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"] {
                    let answer = try await post(whole, type: type)
                    #expect(
                        answer.hasPrefix("HTTP/1.1 201 ") && answer.contains("\r\nContent-Type: application/json\r\n")
                    )
                    let body = answer.split(separator: "\r\n\r\n").last ?? ""
                    #expect(body.contains(#""text":"b""#) && body.contains("a/ü") && !body.contains("comment"))
                }
                let wrong: [(String, String?, String, String)] = [
                    (whole, "text/plain", "415", "the body has to be JSON, and not text/plain"),
                    (whole, nil, "415", "the body has to be JSON, and its type has to say so"),
                    (whole, "application/jsonx", "415", "application/jsonx"),
                    ("", "application/json", "400", "the body is not JSON"),
                    ("{", "application/json", "400", "the body is not JSON"),
                    ("{\"words\":[]}}", "application/json", "400", "the body is not JSON"),
                    ("[]", "application/json", "422", "the body is of another type"),
                    ("{}", "application/json", "422", "words is missing"),
                    ("{\"words\":null}", "application/json", "422", "words is "),
                    (
                        #"{"words":[{"text":"a","count":1},{"text":"b"}]}"#, "application/json", "422",
                        "words[1].count is missing"
                    ),
                    (
                        #"{"words":[{"text":1,"count":1}]}"#, "application/json", "422",
                        "words[0].text is of another type"
                    ),
                    (
                        #"{"words":[{"text":"a","count":1.5}]}"#, "application/json", "422",
                        "has no fit value"
                    ),
                ]
                for (body, type, status, text) in wrong {
                    let answer = try await post(body, type: type)
                    #expect(answer.dropFirst(9).prefix(3) == status, "\(body): \(answer)")
                    #expect(answer.contains("{\"error\":") && answer.contains(text), "\(body): \(answer)")
                }
                let long = String(repeating: " ", count: 1000) + whole
                #expect(try await post(long).hasPrefix("HTTP/1.1 413 "))
                #expect(try await get("/infinite").hasPrefix("HTTP/1.1 500 "))
                #expect(try await get("/link").hasSuffix("{\"a\":\"https://a/b\"}"))
                exit(0)
            }
        }
    }
}
