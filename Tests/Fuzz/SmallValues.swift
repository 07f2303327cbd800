// Values of fields and bodies that are read at once: ranges, entity tags, forms, Base64. Each against a second, slower reader.
import SporkHTTP

func checkRanges(_ input: FuzzInput) {
    var input = input
    let size = input.choice(below: 4) == 1 ? input.number() & Int.max : input.choice(below: 1 << 16) % 40
    let bytes = input.bytes
    let found = withExactBytes(bytes) { ByteRange($0, size: size) }
    for range in ranges(in: found) {
        require(!range.isEmpty && range.lowerBound >= 0 && range.upperBound <= size, "\(range) of \(size) bytes")
    }
    let expected = referenceRange(bytes, size)
    require(found == expected, "\(text(bytes)) of \(size) is \(found), not \(expected)")
    // Nothing is sent twice.
    for (index, range) in ranges(in: found).enumerated() {
        require(!ranges(in: found).dropFirst(index + 1).contains { touch($0, range) }, "\(found) has parts of one")
    }
}

private func ranges(in found: ByteRange) -> [Range<Int>] {
    switch found {
    case .whole, .unsatisfiable: []
    case .partial(let range): [range]
    case .several(let ranges): ranges
    }
}

private func touch(_ one: Range<Int>, _ other: Range<Int>) -> Bool {
    one.lowerBound <= other.upperBound && other.lowerBound <= one.upperBound
}

/// What RFC 9110, 14.1.2 and 14.2, say: those that touch are one, which stands where the first of them did; more than there is are the whole.
private func referenceRange(_ bytes: [UInt8], _ size: Int) -> ByteRange {
    guard bytes.small.starts(with: "bytes=".utf8) else { return .whole }
    let elements = bytes.dropFirst(6).split(separator: UInt8(ascii: ",")).map(\.withoutBlanks).filter { !$0.isEmpty }
    guard (1...ByteRange.most).contains(elements.count) else { return .whole }
    var left: [Range<Int>] = []
    for element in elements {
        switch referenceElement(element, size) {
        case .partial(let range): left.append(range)
        case .unsatisfiable: break
        default: return .whole
        }
    }
    let total = left.reduce(0 as UInt) {
        $0.addingReportingOverflow(UInt($1.count)).overflow ? .max : $0 + UInt($1.count)
    }
    if total > UInt(size) { return .whole }
    var found: [Range<Int>] = []
    while !left.isEmpty {
        var together = left.removeFirst()
        while let index = left.firstIndex(where: { touch($0, together) }) {
            let other = left.remove(at: index)
            together = min(together.lowerBound, other.lowerBound)..<max(together.upperBound, other.upperBound)
        }
        found.append(together)
    }
    return found.isEmpty ? .unsatisfiable : found.count == 1 ? .partial(found[0]) : .several(found)
}

private func referenceElement(_ element: [UInt8], _ size: Int) -> ByteRange {
    let ends = element.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false).map(Array.init)
    guard ends.count == 2, ends.joined().allSatisfy({ (48...57).contains($0) }) else { return .whole }
    // More digits than fit are more than any size.
    func number(_ digits: [UInt8]) -> Int? { digits.isEmpty ? nil : Int(text(digits)) ?? .max }
    switch (number(ends[0]), number(ends[1])) {
    case (nil, nil): return .whole
    case (nil, let last?): return min(last, size) == 0 ? .unsatisfiable : .partial(size - min(last, size)..<size)
    case (let first?, nil): return first < size ? .partial(first..<size) : .unsatisfiable
    case (let first?, let last?):
        if last < first { return .whole }
        return first < size ? .partial(first..<(last < size ? last + 1 : size)) : .unsatisfiable
    }
}

func checkConditions(_ input: FuzzInput) {
    let list = input.bytes
    let tag = Array("\"a\"".utf8)
    let (strongly, weakly) = withExactBytes(tag) { tag in
        withExactBytes(list) { list in
            (Preconditions.matches(list, tag, strongly: true), Preconditions.matches(list, tag, strongly: false))
        }
    }
    require(weakly || !strongly, "what matches strongly matches weakly")
    if strongly {
        require(list == [42] || list.indices.contains { list[$0...].starts(with: tag) }, "the tag is not there")
    }
    // Every list that is well-formed is read as what it is (RFC 9110, 8.8.3).
    guard let tags = entityTags(list) else { return }
    require(weakly == tags.contains { $0 == tag || $0 == Array("W/".utf8) + tag }, "\(text(list)) weakly: \(weakly)")
    require(strongly == tags.contains(tag), "\(text(list)) strongly: \(strongly)")
}

private func entityTags(_ list: [UInt8]) -> [[UInt8]]? {
    var tags: [[UInt8]] = []
    var rest = list[...]
    while true {
        rest = rest.drop { $0.isBlankOne || $0 == UInt8(ascii: ",") }
        if rest.isEmpty { return tags }
        let prefix = rest.starts(with: "W/".utf8) ? rest.prefix(2) : []
        rest = rest.dropFirst(prefix.count)
        guard rest.first == 34 else { return nil }
        let opaque = rest.dropFirst().prefix { $0 > 32 && $0 != 34 && $0 != 127 }
        guard rest.dropFirst(opaque.count + 1).first == 34 else { return nil }
        tags.append(prefix + [34] + opaque + [34])
        rest = rest.dropFirst(opaque.count + 2).drop { $0.isBlankOne }
        guard rest.isEmpty || rest.first == UInt8(ascii: ",") else { return nil }
    }
}

func checkForms(_ input: FuzzInput) {
    let bytes = input.bytes
    let found = Array(FormValues(bytes))
    let expected = bytes.split(separator: UInt8(ascii: "&")).map { pair in
        let name = pair.prefix { $0 != UInt8(ascii: "=") }
        return (name: decoded(name), value: decoded(pair.dropFirst(name.count + 1)))
    }
    require(found.elementsEqual(expected) { $0 == $1 }, "\(found), a second reader \(expected)")
    if let first = found.first { require(FormValues(bytes)[first.name] == first.value, "the first value") }
    // Written with every byte encoded it is the same again.
    let encoded = found.map { "\(hexadecimal($0.name))=\(hexadecimal($0.value))" }.joined(separator: "&")
    require(FormValues(Array(encoded.utf8)).elementsEqual(found) { $0 == $1 }, "\(encoded) is something else")
}

private func decoded(_ bytes: ArraySlice<UInt8>) -> String {
    text(percentDecoded(bytes.map { $0 == UInt8(ascii: "+") ? 32 : $0 }, isStrict: false) ?? [])
}

private func hexadecimal(_ text: String) -> String {
    text.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

func checkBase64(_ input: FuzzInput) {
    let bytes = input.bytes
    require(Base64.decode(base64(bytes)) == bytes, "\(text(base64(bytes))) is not what was encoded")
    if let decoded = Base64.decode(bytes) { require(base64(decoded) == bytes, "\(text(bytes)) is written otherwise") }
}

/// Base64 as RFC 4648, 4, has it.
func base64(_ bytes: [UInt8]) -> [UInt8] {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start..<min(start + 3, bytes.count)]
        let bits = (0..<3).reduce(0) { $0 << 8 | Int($1 < group.count ? group[start + $1] : 0) }
        text += (0...3).map { $0 <= group.count ? alphabet[bits >> (18 - 6 * $0) & 63] : UInt8(ascii: "=") }
    }
    return text
}
