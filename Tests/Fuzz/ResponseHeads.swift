// Heads of answers as HTTPClient reads them: the same whole and in pieces, nothing in them that ends a line, and where the load generator's
// parser reads them as well, the content ends at the same place for both.
import SporkHTTP

func checkResponseHeads(_ input: FuzzInput) {
    var input = input
    var limits = ResponseHeadParser.Limits()
    if input.choice(below: 3) == 1 { (limits.head, limits.fieldCount) = (64, 2) }
    let method: HTTPMethod = input.choice(below: 4) == 1 ? .head : .get
    let cuts = input.cuts()
    let bytes = input.bytes
    let whole = Outcome(of: bytes, cuts: [], method, limits)
    let inPieces = Outcome(of: bytes, cuts: cuts, method, limits)
    require(whole == inPieces, "cut at \(cuts): \(inPieces), whole: \(whole)")
    guard let head = whole.head else { return }
    require(whole.length <= limits.head && whole.fields.count <= limits.fieldCount, "beyond the limits")
    require((100...999).contains(head.status), "status \(head.status)")
    require(!head.reason.utf8.contains { [0, 10, 13].contains($0) }, "a line end in the phrase")
    for (name, value) in head.headers.map({ ($0.name, $0.value) }) {
        require(!name.isEmpty && name.utf8.allSatisfy(\.isInToken), "a field's name")
        require(!value.utf8.contains { $0.endsLines }, "a control character in a field")
    }
    if case .length(let length) = head.framing { require(length >= 0, "\(length) bytes") }
    compare(head, Array(bytes.prefix(whole.length)), isHead: method == .head)
}

/// The load generator's parser, where it does not refuse the head.
private func compare(_ head: ResponseHead, _ text: [UInt8], isHead: Bool) {
    // It knows no folded lines, and no lists of codings.
    let lines = text.split(separator: 10).dropFirst().dropLast()
    let coding = head.headers["Transfer-Encoding"].map { Array($0.utf8).small } ?? Array("chunked".utf8)
    guard head.status >= 200, coding == Array("chunked".utf8),
        lines.allSatisfy({ $0.prefix { $0 != UInt8(ascii: ":") }.allSatisfy(\.isInToken) })
    else { return }
    var answer = text
    switch head.framing {
    case .none: break
    case .length(let length):
        guard length < 1000 else { return }
        answer += [UInt8](repeating: 120, count: length)
    case .chunked: answer += "1\r\nx\r\n0\r\n\r\n".utf8
    case .untilClose:
        var parser = ResponseParser(isHead: isHead)
        let action = withExactBytes(text) { parser.advance(over: $0) }
        if case .complete(let used, _, _) = action { require(false, "for the generator it ends at \(used)") }
        return
    }
    var parser = ResponseParser(isHead: isHead)
    let action = withExactBytes(answer) { parser.advance(over: $0) }
    switch action {
    case .malformed: break
    case .complete(answer.count, head.status, _): break
    default: require(false, "the generator: \(action) of \(answer.count) bytes; the client: \(head)")
    }
}

/// What a parser has made of bytes.
private struct Outcome: Equatable {
    var head: ResponseHead?
    var length = 0
    var fields: [String] = []
    var isMalformed = false

    init(of bytes: [UInt8], cuts: [Int], _ method: HTTPMethod, _ limits: ResponseHeadParser.Limits) {
        var parser = ResponseHeadParser(for: method, limits: limits)
        for end in cuts + [bytes.count] {
            switch withExactBytes(bytes[..<end], { parser.advance(over: $0) }) {
            case .needMore: continue
            case .malformed: isMalformed = true
            case .head(let head, let length):
                require(length <= end, "a head that is longer than its bytes")
                (self.head, self.length) = (head, length)
                fields = head.headers.map { "\($0.name)=\($0.value)" }
            }
            return
        }
    }

    static func == (left: Outcome, right: Outcome) -> Bool {
        left.length == right.length && left.fields == right.fields && left.isMalformed == right.isMalformed
            && left.head?.status == right.head?.status && left.head?.reason == right.head?.reason
            && left.head?.framing == right.head?.framing && left.head?.keepsAlive == right.head?.keepsAlive
    }
}
