// Requests one behind the other, heads and bodies, as a connection reads them. The same whole and in pieces; what is taken for a head is one
// for a second reader as well, keeps the limits and carries nothing that ends a line; written out and read again it is the same.
import SporkHTTP

func checkRequests(_ input: FuzzInput) {
    var input = input
    var limits = RequestLimits()
    if input.choice(below: 2) == 1 {
        (limits.requestLine, limits.field, limits.head, limits.fieldCount, limits.emptyLines) = (48, 40, 160, 5, 2)
    }
    let cuts = input.cuts()
    let bytes = input.bytes
    let head = RequestHead()
    let whole = conversation(bytes, cuts: [], limits, into: head, checked: true)
    let inPieces = conversation(bytes, cuts: cuts, limits, into: RequestHead(), checked: false)
    require(whole == inPieces, "cut at \(cuts): \(inPieces.map(text)), whole: \(whole.map(text))")
    // On another connection, with what is left of this one.
    let again = conversation(bytes, cuts: cuts, limits, into: head, checked: true)
    require(whole == again, "again: \(again.map(text)), at first: \(whole.map(text))")
}

/// What a connection makes of its input, as one text a request, and how that ends.
private func conversation(
    _ bytes: [UInt8],
    cuts: [Int],
    _ limits: RequestLimits,
    into head: RequestHead,
    checked: Bool
) -> [[UInt8]] {
    var parser = RequestParser(limits: limits)
    var decoder = BodyDecoder(length: 0)
    var said: [[UInt8]] = []
    var start = 0
    for end in cuts + [bytes.count] {
        var goesOn = true
        while goesOn {
            let length = end - start
            goesOn = withExactBytes(bytes[start..<end]) { piece in
                while !decoder.isComplete {
                    switch decoder.advance(over: piece) {
                    case .needMore(let used):
                        require(used <= length, "more is used than there is")
                        start += used
                        return false
                    case .content(let range):
                        require(!range.isEmpty && range.upperBound <= length, "content that is not there")
                        said[said.count - 1] += piece[range]
                        start += range.upperBound
                        return true
                    case .end(let used):
                        require(used <= length, "more is used than there is")
                        for (name, value) in decoder.trailers { said[said.count - 1] += "|\(name)=\(value)".utf8 }
                        start += used
                        return true
                    case .refuse(let refusal):
                        said.append(Array("refused \(refusal.status.code)".utf8))
                        return false
                    }
                }
                switch piece.isEmpty ? .needMore : parser.advance(over: piece, into: head) {
                case .needMore:
                    if checked {
                        require(ReferenceHead(bytes[start..<end], limits) == nil, "a whole head is waited for")
                    }
                    return false
                case .head(let length):
                    if checked { check(head, length, bytes[start..<end], limits) }
                    parser.reset()
                    start += length
                    said.append(describe(head))
                    decoder =
                        head.isChunked
                        ? BodyDecoder(chunkedWith: BodyLimits()) : BodyDecoder(length: head.contentLength ?? 0)
                    return true
                case .refuse(let refusal):
                    if checked {
                        require(ReferenceHead(bytes[start..<end], limits) == nil, "refused: \(refusal.reason)")
                    }
                    said.append(Array("refused \(refusal.status.code)".utf8))
                    return false
                }
            }
        }
        if said.last?.starts(with: "refused".utf8) == true { break }
    }
    return said
}

private func describe(_ head: RequestHead) -> [UInt8] {
    var said = Array(head.requestText)
    said += "|\(head.version) \(head.keepsAlive) \(head.isChunked) \(head.contentLength ?? -1)|".utf8
    said += Array(head.bytes(head.path)) + [0] + (head.query.map { Array(head.bytes($0)) } ?? [0])
    said += [0] + (head.authority.map { Array(head.bytes($0)) } ?? [0])
    for index in 0..<head.fieldCount {
        let field = head.field(at: index)
        said += [10] + Array(field.name) + [58] + Array(field.value)
    }
    return said + [10]
}

private func check(_ head: RequestHead, _ length: Int, _ bytes: ArraySlice<UInt8>, _ limits: RequestLimits) {
    require(
        length <= bytes.count && length <= limits.head + limits.requestLine + 2 * limits.emptyLines + 4,
        "\(length) bytes"
    )
    guard let reference = ReferenceHead(bytes, limits) else { return require(false, "a second reader refuses this") }
    require(reference.length == length, "a second reader sees \(reference.length) bytes, not \(length)")
    require(reference.isChunked == head.isChunked && reference.contentLength == head.contentLength, "framing")
    require(reference.keepsAlive == head.keepsAlive, "persistence")
    require(reference.target == Array(head.bytes(head.target)), "the target")
    require(reference.fields.count == head.fieldCount && head.fieldCount <= limits.fieldCount, "fields")
    for (index, field) in reference.fields.enumerated() {
        let found = head.field(at: index)
        require(field.name == Array(found.name) && field.value == Array(found.value), "field \(index)")
        require(!found.value.contains { $0.endsLines }, "a control character in a value")
        require(found.name.count + found.value.count + 1 <= limits.field, "a field is too long")
    }
    for known in RequestHead.KnownField.allCases {
        guard let value = head.value(known) else { continue }
        require(
            (0..<head.fieldCount).contains { head.field(at: $0).value.elementsEqual(value) },
            "a field from nowhere"
        )
    }
    // Written out as a client would, it is the same request.
    var again =
        reference.method + [32] + reference.target + Array((head.version == .http11 ? " HTTP/1.1" : " HTTP/1.0").utf8)
        + [13, 10]
    for field in reference.fields { again += field.name + [58, 32] + field.value + [13, 10] }
    again += [13, 10]
    let second = RequestHead()
    var parser = RequestParser()
    let action = withExactBytes(again) { parser.advance(over: $0, into: second) }
    require(action == .head(length: again.count), "what was read cannot be read again")
    require(
        describe(second).drop { !$0.isInToken } == describe(head).drop { !$0.isInToken },
        "it is read differently again"
    )
}
