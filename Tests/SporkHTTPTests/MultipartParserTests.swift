// The parser of multipart bodies against tables of bodies, each whole, cut in two at every byte, and byte by byte; always at the very end of
// its own memory, so that a look beyond it has nowhere to go unnoticed.
import SporkHTTP
import Testing

/// What came of a body that was fed in pieces: its parts, as their fields and content; or a refusal's status.
private struct Outcome: Equatable {
    var parts: [String] = []
    var status: UInt16 = 0
    var isComplete = false
}

private func parse(
    _ bytes: [UInt8],
    boundary: String = "b",
    _ limits: MultipartLimits = MultipartLimits(),
    cutAt cuts: [Int] = []
) -> Outcome {
    guard var parser = MultipartParser(boundary: boundary, limits: limits) else { return Outcome(status: 1) }
    var outcome = Outcome()
    var content: [UInt8] = []
    var unused: [UInt8] = []
    var start = 0
    for end in cuts + [bytes.count] {
        unused += bytes[start..<end]
        start = end
        scan: while true {
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, unused.count), alignment: 1)
            defer { memory.deallocate() }
            memory.copyBytes(from: unused)
            switch parser.advance(over: UnsafeRawBufferPointer(rebasing: memory[..<unused.count])) {
            case .part(let headers, let used):
                outcome.parts.append(headers.map { "\($0.name)=\($0.value)" }.joined(separator: "&") + ":")
                content = []
                unused.removeFirst(used)
            case .content(let range):
                #expect(!range.isEmpty)
                content += unused[range]
                unused.removeFirst(range.upperBound)
            case .partEnd(let used):
                outcome.parts[outcome.parts.count - 1] += String(decoding: content, as: UTF8.self)
                unused.removeFirst(used)
            case .needMore(let used):
                unused.removeFirst(used)
                break scan
            case .end:
                outcome.isComplete = true
                #expect(parser.isComplete)
                return outcome
            case .refuse(let refusal):
                return Outcome(status: refusal.status.code)
            }
        }
    }
    return outcome
}

/// The same whole, cut at every byte, and byte by byte; the result that all have in common.
private func parseInEveryWay(
    _ text: String,
    boundary: String = "b",
    _ limits: MultipartLimits = MultipartLimits()
) -> Outcome {
    let bytes = Array(text.utf8)
    let whole = parse(bytes, boundary: boundary, limits)
    for cut in 1..<max(2, bytes.count) where cut < bytes.count {
        #expect(parse(bytes, boundary: boundary, limits, cutAt: [cut]) == whole, "\(text) cut at \(cut)")
    }
    #expect(parse(bytes, boundary: boundary, limits, cutAt: Array(1..<max(1, bytes.count))) == whole, "\(text)")
    return whole
}

@Suite struct MultipartParserTests {
    nonisolated static let accepted: [(String, [String])] = [
        ("--b\r\n\r\n\r\n--b--\r\n", [":"]),
        ("--b\r\n\r\none\r\n--b--\r\n", [":one"]),
        ("--b\r\n\r\none\r\n--b--", [":one"]),
        ("--b\r\nA: 1\r\nB:2 \r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n", ["A=1&B=2:one", ":two"]),
        // No part at all, as browsers send an empty form.
        ("--b--\r\n", []),
        // What stands before the first part and behind the last one means nothing, blanks behind a boundary neither.
        ("before\r\n--b\r\n\r\none\r\n--b--\r\nbehind\r\n--b\r\n\r\ntwo\r\n--b--", [":one"]),
        ("\r\n--b \t\r\n\r\none\r\n--b  \r\n\r\ntwo\r\n--b-- \r\n", [":one", ":two"]),
        ("x--b\r\n--b\r\n\r\none\r\n--b--", [":one"]),
        // An empty line may be all there is of a part.
        ("--b\r\n\r\n--b\r\nA: 1\r\n\r\n--b--\r\n", [":", "A=1:"]),
        // Content that nearly is a boundary.
        ("--b\r\n\r\n--\r\n-b\r\n--a\r\n\r\n\r--b\n--b\r\r\n-\r\n--b--", [":--\r\n-b\r\n--a\r\n\r\n\r--b\n--b\r\r\n-"]),
        ("--b\r\n\r\n\r\n\r\n--b--", [":\r\n"]),
        ("--b\r\n\r\n\r\r\n--b--", [":\r"]),
        ("--b\r\n\r\n--a\r\n\r\ninner\r\n--a--\r\n\r\n--b--", [":--a\r\n\r\ninner\r\n--a--\r\n"]),
        ("--b\r\n\r\n\u{e4}\u{0}\u{1}\r\n--b--", [":\u{e4}\u{0}\u{1}"]),
    ]

    nonisolated static let refused: [(String, UInt16)] = [
        // What follows a boundary.
        ("--bx\r\n\r\none\r\n--b--", 400), ("--b\n\r\none\r\n--b--", 400), ("--b\r\n\r\none\r\n--bb--", 400),
        ("--b\r\n\r\none\r\n--b-x", 400), ("--b\r\n\r\none\r\n--b \r--", 400), ("--b --", 400), ("--b\r\r\n", 400),
        // Fields that others may read as something else.
        ("--b\r\nA: 1\n\r\none\r\n--b--", 400), ("--b\r\nA 1\r\n\r\n", 400), ("--b\r\n: 1\r\n\r\n", 400),
        ("--b\r\nA : 1\r\n\r\n", 400), ("--b\r\nA: 1\r\n folded\r\n\r\n", 400), ("--b\r\nA: 1\rB: 2\r\n\r\n", 400),
        ("--b\r\nA: \u{0}\r\n\r\n", 400), ("--b\r\n--b\r\n\r\n", 400), ("--b\r\none\r\n--b--", 400),
        ("--b\r\n\n\r\n", 400), ("--b\r\n\u{e4}: 1\r\n\r\n", 400),
        // A boundary that could be a field.
        ("--b\r\n--b: 1\r\n\r\none\r\n--b--", 400), ("--b\r\nA: 1\r\n--bc: 1\r\n\r\none\r\n--b--", 400),
    ]

    @Test(
        "what was refused stays refused, whatever follows",
        arguments: ["--bX\r\n--b--", "--b\nA: 1\r\n\r\n", "--b\r\nA\r\n\r\n--b--", "12345678"]
    )
    func staysRefused(body: String) throws {
        var limits = MultipartLimits()
        limits.preamble = 5
        var parser = try #require(MultipartParser(boundary: "b", limits: limits))
        for bytes in [body, body, "\r\n--b--", "--", "\n"] {
            let action = Array(bytes.utf8).withUnsafeBytes { parser.advance(over: $0) }
            guard case .refuse = action else {
                Issue.record("\(bytes) is \(action)")
                return
            }
        }
        #expect(!parser.isComplete)
    }

    nonisolated static let unfinished = [
        "", "-", "--", "--b", "--b\r\n", "--b\r\nA: 1\r\n", "--b\r\n\r\n", "--b\r\n\r\none", "--b\r\n\r\none\r\n--b",
        "--b\r\n\r\none\r\n--b-", "--b\r\n\r\none\n--b--", "--a\r\n\r\none\r\n--a--", "\n--b--",
        "--b\r\n\r\none\r\n--B--",
    ]

    @Test("bodies, whole, cut at every byte, and byte by byte", arguments: accepted)
    func accepts(body: String, parts: [String]) {
        #expect(parseInEveryWay(body) == Outcome(parts: parts, isComplete: true))
    }

    @Test("what is none, whole, cut at every byte, and byte by byte", arguments: refused)
    func refuses(body: String, status: UInt16) { #expect(parseInEveryWay(body).status == status) }

    @Test("a body without its last boundary is not complete, wherever it ends", arguments: unfinished)
    func incomplete(body: String) {
        let outcome = parseInEveryWay(body)
        #expect(!outcome.isComplete && outcome.status == 0)
    }

    @Test("what is cut short anywhere is waited for", arguments: accepted)
    func truncated(body: String, parts: [String]) {
        // Behind the last boundary it is complete, whatever more there was.
        let end = body.utf8.count - (body.contains("behind") ? 34 : 0)
        for count in 0..<end {
            let outcome = parse(Array(body.utf8.prefix(count)))
            #expect(outcome.status == 0)
            #expect(!outcome.isComplete || parts == outcome.parts)
        }
    }

    @Test("boundaries: what may be one, and up to 70 characters")
    func boundaries() {
        let all = "0aZ'()+_,-./:=?"
        #expect(parseInEveryWay("--\(all)\r\n\r\none\r\n--\(all)--", boundary: all).parts == [":one"])
        #expect(parseInEveryWay("--a b\r\n\r\none\r\n--a b--", boundary: "a b").parts == [":one"])
        #expect(parseInEveryWay("------\r\n\r\n----\r\n------\u{2d}-", boundary: "----").parts == [":----"])
        let long = String(repeating: "x", count: 70)
        #expect(parseInEveryWay("--\(long)\r\n\r\none\r\n--\(long)--", boundary: long).parts == [":one"])
        for wrong in ["", " ", "a ", long + "x", "a\r", "a\n", "\"", "\u{e4}", "a;b", "a\u{0}", "<", "a%"] {
            #expect(MultipartParser(boundary: wrong) == nil)
        }
    }

    @Test(
        "limits: parts, their fields' length and number, their content, what stands before them and behind boundaries"
    )
    func limits() {
        func status(_ text: String, _ change: (inout MultipartLimits) -> Void) -> UInt16 {
            var limits = MultipartLimits()
            change(&limits)
            return parseInEveryWay(text, limits).status
        }
        let two = "--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--"
        #expect(status(two) { $0.parts = 2 } == 0)
        #expect(status(two) { $0.parts = 1 } == 413)
        #expect(status(two) { $0.partBytes = 3 } == 0)
        #expect(status(two) { $0.partBytes = 2 } == 413)
        let fields = "--b\r\nA: 1\r\nB: 2\r\n\r\none\r\n--b--"
        #expect(status(fields) { $0.headers = 2 } == 0)
        #expect(status(fields) { $0.headers = 1 } == 413)
        #expect(status(fields) { $0.headerBytes = 12 } == 0)
        #expect(status(fields) { $0.headerBytes = 8 } == 413)
        #expect(status("--b\r\nAAAAAAAAAAAA") { $0.headerBytes = 8 } == 413)
        #expect(status("--b            \r\n\r\n\r\n--b--") { $0.headerBytes = 8 } == 413)
        #expect(status("12345\r\n--b\r\n\r\n\r\n--b--") { $0.preamble = 5 } == 0)
        #expect(status("123456\r\n--b\r\n\r\n\r\n--b--") { $0.preamble = 5 } == 413)
        #expect(status("123456789") { $0.preamble = 5 } == 413)
    }

    @Test("mutations of bodies neither trap nor depend on where they are cut")
    func mutations() {
        var random = SeededRandom(seed: 7)
        let corpus = Self.accepted.map { Array($0.0.utf8) } + Self.refused.map { Array($0.0.utf8) }
        for _ in 0..<20_000 {
            let bytes = random.mutation(of: corpus)
            let whole = parse(bytes)
            guard !bytes.isEmpty else { continue }
            let cuts = (0..<3).map { _ in Int(random.next() % UInt64(bytes.count)) }.sorted()
            #expect(parse(bytes, cutAt: cuts) == whole, "\(bytes)")
        }
    }

    @Test("as many parameters as anybody sends, and no more: each is compared with the others")
    func parameterCount() {
        func value(_ count: Int) -> String { "x" + (0..<count).map { ";a\($0)=\($0)" }.joined() }
        #expect(ParameterizedValue(value(32))?["a31"] == "31")
        #expect(ParameterizedValue(value(33)) == nil)
    }

    @Test(
        "values with parameters, and what are none",
        arguments: [
            ("form-data", "form-data", nil), ("Form-Data; A=b", "form-data", "b"), ("x;a=\"b;c\"", "x", "b;c"),
            ("x; a=\"b\\\"c\\\\d\\e\" ; z=1", "x", "b\"c\\d\\e"), ("x;;a=b;", "x", "b"),
            ("x ;a=----=_Part/1", "x", "----=_Part/1"),
            ("x;a=", "x", ""), ("x;a=\"\"", "x", ""), ("text/plain;\ta=\"\u{e4}\"", "text/plain", "\u{e4}"),
            ("", nil, nil), (";a=b", nil, nil), ("x y;a=b", nil, nil), ("x;a", nil, nil), ("x;a =b", nil, nil),
            ("x;a=b c", nil, nil), ("x;a=\"b", nil, nil), ("x;a=\"b\"c", nil, nil), ("x;a=b;A=c", nil, nil),
            ("x;=b", nil, nil),
            ("x;a=b\"", nil, nil), ("x;a=\"b\\\"", nil, nil),
        ] as [(String, String?, String?)]
    )
    func parameters(field: String, value: String?, parameter: String?) {
        let parsed = ParameterizedValue(field)
        #expect(parsed?.value == value)
        #expect(parsed?["a"] == parameter)
    }
}
