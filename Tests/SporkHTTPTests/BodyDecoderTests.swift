// The decoder of bodies against tables of bodies, each whole, cut in two at every byte, and byte by byte; always at the very end of its own
// memory, so that a look beyond it has nowhere to go unnoticed.
import SporkHTTP
import Testing

/// What came of a body that was fed in pieces: its content, its trailers, and what was left for the next request; or a refusal's status.
private struct Outcome: Equatable {
    var content: [UInt8] = []
    var trailers: [String] = []
    var left = 0
    var status: UInt16 = 0
    var isComplete = false
}

private func decode(_ bytes: [UInt8], _ decoder: BodyDecoder, cutAt cuts: [Int] = []) -> Outcome {
    var decoder = decoder
    var outcome = Outcome()
    var unused: [UInt8] = []
    var start = 0
    for end in cuts + [bytes.count] {
        unused += bytes[start..<end]
        start = end
        scan: while true {
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, unused.count), alignment: 1)
            defer { memory.deallocate() }
            memory.copyBytes(from: unused)
            switch decoder.advance(over: UnsafeRawBufferPointer(rebasing: memory[..<unused.count])) {
            case .content(let range):
                outcome.content += unused[range]
                unused.removeFirst(range.upperBound)
            case .needMore(let used):
                unused.removeFirst(used)
                break scan
            case .end(let used):
                unused.removeFirst(used)
                outcome.left = unused.count + bytes.count - end
                outcome.isComplete = true
                outcome.trailers = decoder.trailers.map { "\($0.name): \($0.value)" }
                return outcome
            case .refuse(let refusal):
                return Outcome(status: refusal.status.code)
            }
        }
    }
    return outcome
}

/// The same whole, cut at every byte, and byte by byte; the result that all have in common.
private func decodeInEveryWay(_ bytes: [UInt8], _ decoder: BodyDecoder) -> Outcome {
    let whole = decode(bytes, decoder)
    for cut in 1..<max(2, bytes.count) where cut < bytes.count {
        #expect(decode(bytes, decoder, cutAt: [cut]) == whole)
    }
    #expect(decode(bytes, decoder, cutAt: Array(1..<max(1, bytes.count))) == whole)
    return whole
}

@Suite struct BodyDecoderTests {
    nonisolated static let accepted: [(String, String, [String])] = [
        ("0\r\n\r\n", "", []),
        ("00000000000000000000000000000000\r\n\r\n", "", []),
        ("5\r\nhello\r\n0\r\n\r\n", "hello", []),
        ("05\r\nhello\r\n0\r\n\r\n", "hello", []),
        ("1\r\nh\r\n1\r\ne\r\n3\r\nllo\r\n0\r\n\r\n", "hello", []),
        ("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", []),
        ("4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", []),
        ("5;a\r\nhello\r\n0;b\r\n\r\n", "hello", []),
        ("5;a=b\r\nhello\r\n0\r\n\r\n", "hello", []),
        ("5;a=\"b;c\\\"d\";e\r\nhello\r\n0\r\n\r\n", "hello", []),
        ("5 ; a = b\r\nhello\r\n0\r\n\r\n", "hello", []),
        ("5\t;\ta\r\nhello\r\n0\r\n\r\n", "hello", []),
        ("5;a=\"\u{e4}\"\r\nhello\r\n0\r\n\r\n", "hello", []),
        ("1\r\nx\r\n0\r\nA: b\r\n\r\n", "x", ["A: b"]),
        ("0\r\nDigest:  x \r\nEmpty:\r\n\r\n", "", ["Digest: x", "Empty: "]),
        // What is about framing, routing or trust is not taken from a trailer.
        (
            "0\r\nContent-Length: 5\r\nTRANSFER-ENCODING: x\r\nHost: b\r\nCookie: a\r\nAuthorization: c\r\nX: y\r\n\r\n",
            "", ["X: y"]
        ),
    ]

    nonisolated static let refused: [(String, UInt16)] = [
        ("\r\n", 400), (" 5\r\nhello\r\n", 400), ("+5\r\nhello\r\n", 400), ("-5\r\nhello\r\n", 400),
        ("0x5\r\nhello\r\n", 400), ("1_0\r\n", 400), ("g\r\n", 400), ("5\nhello\n", 400), ("5\r\nhello\n0\r\n", 400),
        ("5\r\nhello0\r\n\r\n", 400), ("5\r\nhell\r\n0\r\n", 400), ("5\r\nhelloo\r\n", 400), ("5\rhello\r\n", 400),
        ("5 \r\nhello\r\n", 400), ("5;\r\nhello\r\n", 400), ("5; \r\nhello\r\n", 400), ("5;a=\r\nhello\r\n", 400),
        ("5;=b\r\nhello\r\n", 400), ("5;a b\r\nhello\r\n", 400), ("5;a;;b\r\nhello\r\n", 400),
        ("5;a\rb\r\nhello\r\n", 400),
        ("5;a\u{0}\r\nhello\r\n", 400), ("5;a=\"b\r\nhello\r\n", 400), ("5;a=\"b\u{1}\"\r\nhello\r\n", 400),
        ("5;a=\"b\\\r\nhello\r\n", 400), ("5,a\r\nhello\r\n", 400), ("5 a\r\nhello\r\n", 400),
        ("fffffffffffffffff\r\n", 400), ("8000000000000000\r\n", 400), ("FFFFFFFFFFFFFFF0\r\n", 400),
        ("0\r\n X: y\r\n\r\n", 400), ("0\r\nX : y\r\n\r\n", 400), ("0\r\nX\r\n\r\n", 400), ("0\r\n: y\r\n\r\n", 400),
        ("0\r\nX: a\u{0}b\r\n\r\n", 400), ("0\r\nX: a\rb\r\n\r\n", 400), ("0\r\nX: y\n\r\n", 400), ("0\r\n\n", 400),
    ]

    @Test("chunks, whole, cut at every byte, and byte by byte", arguments: accepted)
    func accepts(body: String, content: String, trailers: [String]) {
        let outcome = decodeInEveryWay(Array(body.utf8), BodyDecoder(chunkedWith: .init()))
        #expect(outcome.isComplete && outcome.status == 0 && outcome.left == 0)
        #expect(outcome.content == Array(content.utf8))
        #expect(outcome.trailers == trailers)
        // What follows is the next request's.
        #expect(decodeInEveryWay(Array(body.utf8) + Array("GET /".utf8), BodyDecoder(chunkedWith: .init())).left == 5)
    }

    @Test("what are not chunks, whole, cut at every byte, and byte by byte", arguments: refused)
    func refuses(body: String, status: UInt16) {
        #expect(decodeInEveryWay(Array(body.utf8), BodyDecoder(chunkedWith: .init())).status == status)
    }

    @Test("chunks that are cut short anywhere are waited for", arguments: accepted)
    func truncated(body: String, content: String, trailers: [String]) {
        let bytes = Array(body.utf8)
        for end in 0..<bytes.count {
            let outcome = decode(Array(bytes[..<end]), BodyDecoder(chunkedWith: .init()))
            #expect(!outcome.isComplete && outcome.status == 0)
        }
    }

    @Test("a counted body is as long as it was said, whatever follows")
    func counted() {
        for length in [0, 1, 2, 100] {
            let bytes = [UInt8](repeating: 7, count: length + 3)
            let outcome = decodeInEveryWay(bytes, BodyDecoder(length: length))
            #expect(outcome.content == Array(bytes[..<length]))
            #expect(outcome.left == 3 && outcome.isComplete)
        }
        #expect(!decode([1, 2], BodyDecoder(length: 3)).isComplete)
    }

    @Test(
        "limits: the line before a chunk, all extensions, the trailer's length and number; before the line has ended, too"
    )
    func limits() {
        func status(_ text: String, _ limits: BodyLimits) -> UInt16 {
            decodeInEveryWay(Array(text.utf8), BodyDecoder(chunkedWith: limits)).status
        }
        var limits = BodyLimits()
        limits.chunkLine = 10
        #expect(status("1;aaaaaaaa\r\nx\r\n0\r\n\r\n", limits) == 0)
        #expect(status("1;aaaaaaaaa\r\nx\r\n0\r\n\r\n", limits) == 400)
        #expect(status("1;aaaaaaaaaa", limits) == 400)
        limits.extensions = 8
        #expect(status("1;aaa\r\nx\r\n1;aaa\r\nx\r\n0\r\n\r\n", limits) == 0)
        #expect(status("1;aaa\r\nx\r\n1;aaa\r\nx\r\n0;a\r\n\r\n", limits) == 400)
        limits.trailers = 12
        #expect(status("0\r\nA: b\r\nC: d\r\n\r\n", limits) == 0)
        #expect(status("0\r\nA: b\r\nC: dd\r\n\r\n", limits) == 431)
        #expect(status("0\r\nA: bbbbbbbbbbbbbb", limits) == 431)
        // What is too long and ends without CR besides is the former, as it is before its end has come.
        #expect(status("0\r\nA: bbbbbbbbbbbbbb\n", limits) == 431)
        limits.trailerCount = 1
        #expect(status("0\r\nA: b\r\nC: d\r\n\r\n", limits) == 431)
    }

    @Test("what is still to come is known for a counted body only")
    func remaining() {
        var counted = BodyDecoder(length: 5)
        #expect(counted.remaining == 5)
        Array("abc".utf8).withUnsafeBytes { #expect(counted.advance(over: $0) == .content(0..<3)) }
        #expect(counted.remaining == 2)
        #expect(BodyDecoder(chunkedWith: .init()).remaining == nil)
        #expect(BodyDecoder(length: 0).isComplete)
    }

    @Test("mutations of chunks neither trap nor depend on where they are cut")
    func mutations() {
        var random = SeededRandom(seed: 6)
        let corpus = Self.accepted.map { Array($0.0.utf8) } + Self.refused.map { Array($0.0.utf8) }
        for _ in 0..<20_000 {
            let bytes = random.mutation(of: corpus)
            let whole = decode(bytes, BodyDecoder(chunkedWith: .init()))
            guard !bytes.isEmpty else { continue }
            let cuts = (0..<3).map { _ in Int(random.next() % UInt64(bytes.count)) }.sorted()
            #expect(decode(bytes, BodyDecoder(chunkedWith: .init()), cutAt: cuts) == whole, "\(bytes)")
        }
    }
}
