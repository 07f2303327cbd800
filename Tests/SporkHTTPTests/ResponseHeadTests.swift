// The client's pure parts: URLs, and the heads of answers, whole and cut at every byte.
import SporkNet
import Testing

@testable import SporkHTTP

@Suite struct ResponseHeadTests {
    private func parse(_ text: String, for method: HTTPMethod = .get, cut: Int? = nil) -> ResponseHeadParser.Action {
        var parser = ResponseHeadParser(for: method)
        let bytes = Array(text.utf8)
        if let cut {
            let first = bytes[..<cut].withUnsafeBytes { parser.advance(over: $0) }
            guard case .needMore = first else { return first }
        }
        return bytes.withUnsafeBytes { parser.advance(over: $0) }
    }

    private func head(_ text: String, for method: HTTPMethod = .get) -> ResponseHead? {
        guard case .head(let head, let length) = parse(text, for: method) else { return nil }
        #expect(length == text.utf8.count)
        return head
    }

    @Test("a head with all that may be in it, the same wherever it is cut")
    func whole() {
        let text = "HTTP/1.1 404 Not at all\r\nA: 1\r\nb :  two \r\n words\r\nA:3\r\nContent-Length: 5\r\n\r\n"
        for cut in 0...text.utf8.count {
            guard case .head(let head, let length) = parse(text, cut: cut) else {
                Issue.record("cut at \(cut)")
                continue
            }
            #expect(length == text.utf8.count)
            #expect((head.status, head.reason, head.version) == (404, "Not at all", .http11))
            #expect(head.headers.values("a") == ["1", "3"])
            #expect(head.headers["B"] == "two words")
            #expect(head.framing == .length(5) && head.keepsAlive)
        }
    }

    @Test(
        "where the content ends, and whether the connection goes on",
        arguments: [
            ("HTTP/1.1 200 OK\r\n\r\n", HTTPMethod.get, ResponseHead.Framing.untilClose, true),
            ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", .get, .length(0), true),
            ("HTTP/1.1 200 \r\nContent-Length: 7\r\nContent-Length: 7\r\n\r\n", .get, .length(7), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", .head, .none, true),
            ("HTTP/1.1 204 No\r\nContent-Length: 7\r\n\r\n", .get, .none, true),
            ("HTTP/1.1 304 No\r\nContent-Length: 7\r\n\r\n", .get, .none, true),
            ("HTTP/1.1 100 Go\r\nContent-Length: 7\r\n\r\n", .get, .none, true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", .get, .chunked, true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .head, .none, true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: x, CLOSE\r\n\r\n", .get, .length(1), false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", .get, .length(1), false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n", .get, .length(1), true),
            ("HTTP/1.7 299 New\r\nContent-Length: 1\r\n\r\n", .get, .length(1), true),
        ]
    )
    func framing(_ text: String, _ method: HTTPMethod, _ framing: ResponseHead.Framing, _ keepsAlive: Bool) {
        let head = head(text, for: method)
        #expect(head?.framing == framing && head?.keepsAlive == keepsAlive)
    }

    @Test(
        "what is refused",
        arguments: [
            "SSH-2.0", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.x 200 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\nA: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nA: 1\n\r\n", "HTTP/1.1 200 OK\r\nA: 1\r\n\n",
            "HTTP/1.1 200 OK\r\n A: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nA\r\n\r\n", "HTTP/1.1 200 OK\r\n: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA b: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nA: 1\r2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: 1\0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: ,\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ]
    )
    func refused(_ text: String) {
        guard case .malformed = parse(text) else {
            Issue.record("it was not refused")
            return
        }
    }

    @Test("limits: all of the head, and the number of its fields")
    func limits() {
        let long = "HTTP/1.1 200 OK\r\nA: " + String(repeating: "x", count: 70_000)
        guard case .malformed = parse(long) else {
            Issue.record("a head without an end")
            return
        }
        let many = "HTTP/1.1 200 OK\r\n" + String(repeating: "A: 1\r\n", count: 257) + "\r\n"
        guard case .malformed = parse(many) else {
            Issue.record("257 fields")
            return
        }
        #expect(head("HTTP/1.1 200 OK\r\n" + String(repeating: "A: 1\r\n", count: 256) + "\r\n") != nil)
    }

    @Test(
        "URLs",
        arguments: [
            ("http://a", "a", 80, "/", "a", "http://a/"),
            ("HTTP://Ex.ample:80/x?y#z", "ex.ample", 80, "/x?y", "ex.ample", "http://ex.ample/x?y"),
            ("https://a:444?q", "a", 444, "/?q", "a:444", "https://a:444/?q"),
            ("http://[::1]:8000/", "::1", 8000, "/", "[::1]:8000", "http://[::1]:8000/"),
            ("https://[::1]", "::1", 443, "/", "[::1]", "https://[::1]/"),
            ("http://a:/ü", "a", 80, "/%C3%BC", "a", "http://a/%C3%BC"),
            ("http://a//b/../c%20d", "a", 80, "//b/../c%20d", "a", "http://a//b/../c%20d"),
        ]
    )
    func urls(_ text: String, _ host: String, _ port: Int, _ target: String, _ authority: String, _ again: String) {
        let url = HTTPURL(text)
        #expect(url?.host == host && url?.port == UInt16(port) && url?.target == target)
        #expect(url?.authority == authority && url?.description == again && HTTPURL(again) == url)
    }

    @Test(
        "what is no URL of ours",
        arguments: [
            "", "a", "/x", "ftp://a/", "http:/a", "http://", "http:///x", "http://u@a/", "http://a:0/",
            "http://a:65536/",
            "http://a:x/", "http://a b/", "http://a/ b", "http://a/\r\nHost: b", "http://a\r\n/", "http://a/\u{7F}",
            "http://[::1/", "http://::1/", "http://ü/", "http://[x]/",
            "http://[::1\u{0}]/", "http://[::1\u{0}\r\nEvil: 1]/", "http:\u{301}//a", "http:/\u{301}/a",
            "http://\u{301}a",
        ]
    )
    func notURLs(_ text: String) { #expect(HTTPURL(text) == nil) }

    @Test("a request's head: what frames it is the client's, and nothing else can be")
    func requests() throws {
        func text(_ request: ClientRequest) -> String {
            var output = OutputBuffer()
            RequestSerializer.appendHead(of: request, userAgent: "t", to: &output)
            return String(decoding: output.bytes, as: UTF8.self)
        }
        var request = try ClientRequest(.get, "http://a:81/x?y")
        #expect(text(request) == "GET /x?y HTTP/1.1\r\nHost: a:81\r\nUser-Agent: t\r\n\r\n")
        request.methodName = "POST"
        for name in ["Content-Length", "Transfer-Encoding", "Connection", "Expect"] { request.headers.add(name, "9") }
        request.headers.add("user-agent", "u")
        request.headers.add("HOST", "b")
        request.headers.add("X", "1\r\nEvil: 2")
        #expect(
            text(request)
                == "POST /x?y HTTP/1.1\r\nuser-agent: u\r\nHOST: b\r\nX: 1  Evil: 2\r\nContent-Length: 0\r\n\r\n"
        )
        #expect(request.unfitness == nil)
        request.body = .stream(length: nil) { _ in }
        request.expectsContinue = true
        request.closesConnection = true
        #expect(
            text(request).hasSuffix("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        )
        for bad in ["", "GET\r\n", "G T", "CONNECT"] {
            request.methodName = bad
            #expect(request.unfitness != nil)
        }
        request = try ClientRequest(.get, "http://a/")
        request.headers = Headers([Headers.Field("X", "1\r\nEvil: 2")])
        #expect(request.unfitness == "X has a control character")
        request.headers = Headers([Headers.Field("X\r\nEvil", "1")])
        #expect(request.unfitness == "a field's name is not a token")
        request.headers = Headers()
        request.headers.add("Host", "a")
        request.headers.add("host", "b")
        #expect(request.unfitness == "there are several Host fields")
        request.headers["Host"] = nil
        request.isForServer = true
        #expect(request.unfitness == "only OPTIONS can be about the server itself")
        #expect(throws: ClientError.self) { try ClientRequest(.get, "http://a/\r\nx") }
    }
}
