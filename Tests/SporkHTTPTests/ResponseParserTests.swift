// The client's parser: where an answer ends, in all the ways in which it can, whole and cut at every byte.
import SporkHTTP
import Testing

@Suite struct ResponseParserTests {
    /// Feeds `bytes` in pieces as a connection does: what was used goes, the rest is shown again with more behind it.
    private func parse(
        _ bytes: [UInt8],
        pieces: [Int]
    ) -> (action: ResponseParser.Action, left: Int, endsWithStream: Bool) {
        var parser = ResponseParser()
        var held: [UInt8] = []
        var start = 0
        for end in pieces + [bytes.count] {
            held += bytes[start..<end]
            start = end
            let action = held.withUnsafeBytes { parser.advance(over: $0) }
            switch action {
            case .needMore(let used):
                held.removeFirst(used)
            case .complete(let used, let status, let keepsAlive):
                let left = held.count - used + bytes.count - end
                return (.complete(used: 0, status: status, keepsAlive: keepsAlive), left, false)
            case .malformed:
                return (.malformed, 0, false)
            case .head, .content:
                Issue.record("nobody has asked for parts")
            }
        }
        return (.needMore(used: 0), held.count, parser.endsWithStream)
    }

    /// The heads and the content that are reported, with the answer's bytes cut where `pieces` says; nil when it does not end.
    private func parts(_ bytes: [UInt8], pieces: [Int]) -> (heads: String, content: String, left: Int)? {
        var parser = ResponseParser(reportsParts: true)
        var (held, heads, content): ([UInt8], [UInt8], [UInt8]) = ([], [], [])
        var start = 0
        for end in pieces + [bytes.count] {
            held += bytes[start..<end]
            start = end
            feeding: while true {
                switch held.withUnsafeBytes({ parser.advance(over: $0) }) {
                case .needMore(let used):
                    held.removeFirst(used)
                    break feeding
                case .head(let used):
                    heads += held[..<used]
                    held.removeFirst(used)
                case .content(let used, let count):
                    content += held[(used - count)..<used]
                    held.removeFirst(used)
                case .complete(let used, _, _):
                    let left = held.count - used + bytes.count - end
                    return (String(decoding: heads, as: UTF8.self), String(decoding: content, as: UTF8.self), left)
                case .malformed: return nil
                }
            }
        }
        return parser.endsWithStream
            ? (String(decoding: heads, as: UTF8.self), String(decoding: content, as: UTF8.self), held.count) : nil
    }

    @Test(
        "parts are reported as they come, wherever they are cut: all heads, and nothing of the chunked coding",
        arguments: [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 1),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 1), ("HTTP/1.1 204 No\r\n\r\n", "", 1),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", 2),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA;x=y\r\n0123456789\r\n01\r\nz\r\n0\r\nT: v\r\n\r\n",
                "0123456789z", 1
            ),
            ("HTTP/1.1 200 OK\r\n\r\nto the end", "to the end", 1),
        ] as [(String, String, Int)]
    )
    func reportedParts(text: String, content: String, heads: Int) throws {
        let bytes = Array(text.utf8)
        for pieces in [[]] + (1..<bytes.count).map({ [$0] }) + [Array(1..<bytes.count)] {
            let found = try #require(parts(bytes, pieces: pieces))
            #expect(found.content == content && found.left == 0)
            #expect(found.heads.split(separator: "HTTP/1.1").count == heads && text.hasPrefix(found.heads))
        }
    }

    @Test(
        "answers and what follows them",
        arguments: [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, true, ""),
            ("HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", 200, true, "HTTP/1.1"),
            ("HTTP/1.1 404\r\nContent-Length: 2\r\n\r\nno", 404, true, ""),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, false, ""),
            ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx", 200, true, ""),
            ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", 200, false, ""),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, true, ""),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", 304, true, ""),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, true, ""),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, true, "x"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA;x=y\r\n0123456789\r\n01\r\nz\r\n000\r\nT: v\r\n\r\n",
                200, true, ""
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000000001\r\nx\r\n0000000000000000\r\n\r\n",
                200, true, "x"
            ),
            ("HTTP/1.1 200 OK\nContent-Length: 1\n\nx", 200, true, ""),
        ] as [(String, Int, Bool, String)]
    )
    func answers(text: String, status: Int, keepsAlive: Bool, next: String) {
        let bytes = Array((text + next).utf8)
        let expected = ResponseParser.Action.complete(used: 0, status: status, keepsAlive: keepsAlive)
        for pieces in [[]] + (1..<bytes.count).map({ [$0] }) + [Array(1..<bytes.count)] {
            let result = parse(bytes, pieces: pieces)
            #expect(result.action == expected)
            #expect(result.left == next.utf8.count)
        }
    }

    @Test("an answer without a length ends with the stream")
    func untilClose() {
        let result = parse(Array("HTTP/1.1 200 OK\r\n\r\nas long as it lasts".utf8), pieces: [])
        #expect(result.action == .needMore(used: 0))
        #expect(result.endsWithStream)
    }

    @Test(
        "what is no answer",
        arguments: [
            "HTTP/2 200 OK\r\n\r\n", "<html>\r\n\r\n", "HTTP/1.1 99 x\r\n\r\n", "HTTP/1.1 2xx OK\r\n\r\n", "\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7FFFFFFFFFFFFFFF\r\n",
        ]
    )
    func malformed(text: String) { #expect(parse(Array(text.utf8), pieces: []).action == .malformed) }

    @Test(
        "answers to HEAD have no content, whatever they announce",
        arguments: ["Content-Length: 5", "Transfer-Encoding: chunked", "X: y"]
    )
    func head(field: String) {
        var parser = ResponseParser(isHead: true)
        let text = Array("HTTP/1.1 200 OK\r\n\(field)\r\n\r\n".utf8)
        for _ in 0..<2 {
            let action = text.withUnsafeBytes { parser.advance(over: $0) }
            #expect(action == .complete(used: text.count, status: 200, keepsAlive: true))
        }
    }
}
