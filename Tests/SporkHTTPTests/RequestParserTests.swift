// The request parser against a table of requests, each whole and in pieces cut at every byte, always at the very end of its
// own memory, so that a look beyond it has nowhere to go unnoticed.
import SporkHTTP
import Testing

/// What the parser said about the bytes, fed all at once or piece by piece.
private func parse(
    _ bytes: [UInt8],
    cutAt cuts: [Int] = [],
    into head: RequestHead = RequestHead()
) -> RequestParser.Action {
    var parser = RequestParser()
    for end in cuts + [bytes.count] {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, end), alignment: 1)
        defer { memory.deallocate() }
        memory.copyBytes(from: bytes[..<end])
        let action = parser.advance(over: UnsafeRawBufferPointer(rebasing: memory[..<end]), into: head)
        if action != .needMore { return action }
    }
    return .needMore
}

private func refusal(_ action: RequestParser.Action) -> UInt16? {
    if case .refuse(let refusal) = action { refusal.status.code } else { nil }
}

private func text(_ bytes: UnsafeRawBufferPointer?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

/// All that can be asked of a head.
private func everything(in head: RequestHead) -> [String] {
    var said = ["\(head.method) \(head.version) \(head.keepsAlive) \(head.isChunked) \(head.contentLength ?? -1)"]
    said += [text(head.requestText), text(head.bytes(head.target)), text(head.bytes(head.path))].map { $0 ?? "-" }
    said += [head.query, head.authority].map { $0.flatMap { text(head.bytes($0)) } ?? "-" }
    for index in 0..<head.fieldCount {
        let field = head.field(at: index)
        said.append("\(text(field.name) ?? "-"): \(text(field.value) ?? "-")")
    }
    for known in RequestHead.KnownField.allCases {
        said.append("\(text(head.value(known)) ?? "-") \(head.withList(known) { text($0) ?? "-" } ?? "-")")
    }
    return said
}

@Suite struct RequestParserTests {
    nonisolated static let accepted: [String] = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a/b?c=d&e HTTP/1.1\r\nHost: a.example:8080\r\n\r\n",
        "GET /%20%ff?%zz HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        "GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a.example/x?y HTTP/1.1\r\nHost: b\r\n\r\n",
        "GET HTTP://a.example HTTP/1.1\r\nHost: b\r\n\r\n",
        "GET https://[::1]:443/ HTTP/1.1\r\nHost: b\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
        "BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
        "get / HTTP/1.1\r\nHost: a\r\n\r\n",
        "M!#$%&'*+-.^_`|~9 / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: \r\n\r\n",
        "GET / HTTP/1.1\r\nHOST:\t a \t\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a_b~c%41.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nEmpty:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\tb \u{e4}\u{80}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: seven77\teight888\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0000000000000000000000012\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,CHUNKED, \r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n",
    ]

    nonisolated static let refused: [(String, UInt16)] = [
        // Line ends.
        ("GET / HTTP/1.1\nHost: a\n\n", 400), ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400), ("\nGET / HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400), ("GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
        ("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        // The request line.
        ("GET /\r\n", 400), ("GET\r\n", 400), ("GET  / HTTP/1.1\r\n", 400), (" GET / HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.1 \r\n", 400), ("GET /  HTTP/1.1\r\n", 400), ("GET / x HTTP/1.1\r\n", 400),
        ("GET\t/ HTTP/1.1\r\n", 400), ("GET /\tHTTP/1.1\r\n", 400), ("G@T / HTTP/1.1\r\n", 400), ("G", 0),
        ("{} / HTTP/1.1\r\n", 400), ("\u{16}\u{3}\u{1}", 400), ("GET /a\u{0}b HTTP/1.1\r\n", 400),
        ("GET /a\u{1f}b HTTP/1.1\r\n", 400), ("GET /a\u{7f}b HTTP/1.1\r\n", 400), ("GET /#x HTTP/1.1\r\n", 400),
        ("GET / HTTP/1,1\r\n", 400), ("GET / http/1.1\r\n", 400), ("GET / HTTP/1.1x\r\n", 400),
        ("GET / HTTP/11\r\n", 400),
        ("GET / HTTP/1.\r\n", 400), ("GET / HTTP/01.1\r\n", 400), ("GET / HTPP/1.1\r\n", 400), ("GET / \r\n", 400),
        ("GET / HTTP/2.0\r\n", 505), ("GET / HTTP/0.9\r\n", 505), ("GET / HTTP/3.1\r\n", 505),
        // Targets.
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("OPTIONS ** HTTP/1.1\r\n", 400), ("GET a/b HTTP/1.1\r\n", 400),
        ("GET a.example:80 HTTP/1.1\r\n", 400), ("GET ftp://a/ HTTP/1.1\r\n", 400), ("GET http:/// HTTP/1.1\r\n", 400),
        ("GET http:// HTTP/1.1\r\n", 400), ("GET http://u@a/ HTTP/1.1\r\n", 400), ("GET http://a:x/ HTTP/1.1\r\n", 400),
        ("GET ?x HTTP/1.1\r\n", 400), ("CONNECT / HTTP/1.1\r\n", 400), ("CONNECT a HTTP/1.1\r\n", 400),
        ("CONNECT a: HTTP/1.1\r\n", 400), ("CONNECT http://a:80/ HTTP/1.1\r\n", 400),
        // Fields.
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\n X: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nX(y): b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\u{e4}: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: 12345678\u{7f}\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{8}\r\n\r\n", 400),
        // Host.
        ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:-1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: [g]\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a%4\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a,b\u{0}\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400),
        // Framing.
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4 2\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: coffee\r\n\r\n", 417),
    ]

    @Test("accepted requests, whole and cut at every byte", arguments: accepted)
    func accepts(request: String) {
        let bytes = Array(request.utf8)
        #expect(parse(bytes) == .head(length: bytes.count))
        for cut in 1..<bytes.count { #expect(parse(bytes, cutAt: [cut]) == .head(length: bytes.count)) }
        #expect(parse(bytes, cutAt: Array(1..<bytes.count)) == .head(length: bytes.count))
        // What follows belongs to the next request.
        #expect(parse(bytes + Array("GET /next".utf8)) == .head(length: bytes.count))
    }

    @Test("refused requests, whole and cut at every byte", arguments: refused)
    func refuses(request: String, status: UInt16) {
        let bytes = Array(request.utf8)
        let expected = status == 0 ? nil : status
        #expect(refusal(parse(bytes)) == expected)
        for cut in 1..<max(bytes.count, 1) { #expect(refusal(parse(bytes, cutAt: [cut])) == expected) }
        #expect(refusal(parse(bytes, cutAt: Array(1..<max(bytes.count, 1)))) == expected)
    }

    @Test("a request that is cut short anywhere is waited for", arguments: accepted)
    func truncated(request: String) {
        let bytes = Array(request.utf8)
        for end in 0..<bytes.count { #expect(parse(Array(bytes[..<end])) == .needMore) }
    }

    @Test("limits: a request line 414, a field, a head, a number of fields 431; also before the line has ended")
    func limits() {
        func line(_ length: Int) -> [UInt8] { Array("GET /".utf8) + [UInt8](repeating: 0x61, count: length - 14) }
        let rest = Array(" HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        #expect(parse(line(8192) + rest) == .head(length: 8192 + 13))
        #expect(refusal(parse(line(8193) + rest)) == 414)
        #expect(refusal(parse([UInt8](repeating: 0x61, count: 8194))) == 414)
        #expect(parse([UInt8](repeating: 0x61, count: 8193)) == .needMore)

        let start = Array("GET / HTTP/1.1\r\nHost: a\r\n".utf8)
        func field(_ length: Int) -> [UInt8] { Array("X: ".utf8) + [UInt8](repeating: 0x61, count: length - 3) }
        let end: [UInt8] = [13, 10]
        #expect(refusal(parse(start + field(8192) + end + end)) == nil)
        #expect(refusal(parse(start + field(8193) + end + end)) == 431)
        #expect(refusal(parse(start + field(8194))) == 431)
        let long = field(8000) + end
        #expect(refusal(parse(start + long + long + long + long + end)) == nil)
        #expect(refusal(parse(start + long + long + long + long + long + end)) == 431)

        func fields(_ count: Int) -> [UInt8] { (1..<count).flatMap { _ in Array("X: a\r\n".utf8) } }
        #expect(refusal(parse(start + fields(100) + end)) == nil)
        #expect(refusal(parse(start + fields(101) + end)) == 431)
    }

    @Test("what is found: method, version, target, path, query, fields")
    func facts() {
        let head = RequestHead()
        let request =
            "GET /a%20b/c?d=e?f HTTP/1.1\r\nHost: x\r\nX-One:  1 \r\nuser-agent: u\r\nX-One: 2\r\nRange: r\r\n\r\n"
        _ = parse(Array(request.utf8), into: head)
        #expect(head.method == .get)
        #expect(head.version == .http11)
        #expect(text(head.bytes(head.target)) == "/a%20b/c?d=e?f")
        #expect(text(head.bytes(head.path)) == "/a%20b/c")
        #expect(text(head.query.map { head.bytes($0) }) == "d=e?f")
        #expect(text(head.value(.host)) == "x")
        #expect(text(head.value(.range)) == "r")
        #expect(head.value(.ifRange) == nil)
        #expect(head.fieldCount == 5)
        #expect((0..<5).map { text(head.field(at: $0).name) } == ["Host", "X-One", "user-agent", "X-One", "Range"])
        #expect((0..<5).map { text(head.field(at: $0).value) } == ["x", "1", "u", "2", "r"])
        // The next request on the connection knows nothing of this one.
        _ = parse(Array("HEAD http://h?q HTTP/1.0\r\n\r\n".utf8), into: head)
        #expect(head.method == .head)
        #expect(head.version == .http10)
        #expect(head.path.isEmpty)
        #expect(text(head.query.map { head.bytes($0) }) == "q")
        #expect(head.fieldCount == 0)
        #expect(head.value(.ifMatch) == nil)
    }

    @Test(
        "who keeps the connection",
        arguments: [
            ("HTTP/1.1", "", true), ("HTTP/1.1", "Connection: close\r\n", false),
            ("HTTP/1.1", "Connection: x, CLOSE\r\n", false),
            ("HTTP/1.1", "Connection: keep-alive\r\n", true), ("HTTP/1.0", "", false),
            ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
            ("HTTP/1.0", "Connection: keep-alive\r\nConnection: close\r\n", false),
            ("HTTP/1.1", "Connection: closed\r\n", true), ("HTTP/1.0", "Connection: a,,keep-alive ,b\r\n", true),
        ]
    )
    func persistence(version: String, fields: String, keepsAlive: Bool) {
        let head = RequestHead()
        #expect(refusal(parse(Array("GET / \(version)\r\nHost: a\r\n\(fields)\r\n".utf8), into: head)) == nil)
        #expect(head.keepsAlive == keepsAlive)
    }

    @Test("a request is understood the same whatever its head's object has held before, read or repeated")
    func repeatedFields() {
        let requests =
            Self.accepted + Self.refused.map(\.0) + [
                "GET /other HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET /longer/than/the/other HTTP/1.0\r\nHost: a\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                "POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                "POST /x HTTP/1.1\r\nHost: a\r\nRange: 1\r\nRange: 2\r\nContent-Length: 3\r\n\r\n",
                "PUT / HTTP/1.1\r\nHost: a\r\nRange: 1\r\nRange: 2\r\nContent-Length: 3\r\n\r\n",
                "GET /" + String(repeating: "x", count: 4000) + " HTTP/1.1\r\nHost: a\r\n\r\n",
            ]
        for first in requests {
            let head = RequestHead()
            _ = parse(Array(first.utf8), into: head)
            // One object for all of them, so that what is kept is sometimes the request's before the last.
            for second in requests {
                let bytes = Array(second.utf8)
                let fresh = RequestHead()
                let action = parse(bytes, into: fresh)
                let cuts = [[], [max(1, bytes.count - 1)], [max(1, bytes.count / 2)]]
                for cuts in cuts {
                    #expect(parse(bytes, cutAt: cuts, into: head) == action)
                    if case .head = action { #expect(everything(in: head) == everything(in: fresh)) }
                }
            }
        }
    }

    @Test("fields that were repeated count for the limit of the head")
    func repeatedFieldsTooLong() {
        let head = RequestHead()
        let end = "\r\n\r\n"
        let long8000 = String(repeating: "x", count: 8000)
        let fields = "Host: a\r\n" + (0..<4).map { "X\($0): " + long8000 }.joined(separator: "\r\n")
        let short = Array(("GET / HTTP/1.1\r\n" + fields + end).utf8)
        let long = Array(("GET /" + String(repeating: "y", count: 2000) + " HTTP/1.1\r\n" + fields + end).utf8)
        #expect(parse(short, into: head) == .head(length: short.count))
        #expect(refusal(parse(long, into: head)) == 431)
        #expect(parse(short, into: head) == .head(length: short.count))
    }

    @Test("twenty thousand damaged requests: an answer for each, the same in pieces")
    func damaged() {
        var state: UInt64 = 0x5EED
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let sources = Self.accepted.map { Array($0.utf8) } + Self.refused.map { Array($0.0.utf8) }
        for _ in 0..<20_000 {
            var bytes = sources[random(sources.count)]
            for _ in 0...random(4) where !bytes.isEmpty {
                switch random(3) {
                case 0: bytes[random(bytes.count)] = UInt8(random(256))
                case 1: bytes.remove(at: random(bytes.count))
                default: bytes.insert([13, 10, 32, 58, 0, 44][random(6)], at: random(bytes.count + 1))
                }
            }
            let whole = parse(bytes)
            guard bytes.count > 1 else { continue }
            #expect(parse(bytes, cutAt: [1 + random(bytes.count - 1)]) == whole)
        }
    }
}
