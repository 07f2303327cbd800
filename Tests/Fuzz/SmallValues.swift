// Values of fields and bodies that are read at once: ranges, entity tags, forms, Base64. Each against a second, slower reader.
import SporkHTTP

func checkRanges(_ input: FuzzInput) {
    var input = input
    let size = input.choice(below: 4) == 1 ? input.number() & Int.max : input.choice(below: 1 << 16) % 40
    let bytes = input.bytes
    let found = withExactBytes(bytes) { ByteRange($0, size: size) }
    if case .partial(let range) = found {
        require(
            !range.isEmpty && range.lowerBound >= 0 && range.upperBound <= size,
            "\(text(bytes)) of \(size) is \(range)"
        )
    }
    require(
        found == referenceRange(bytes, size),
        "\(text(bytes)) of \(size) is \(found), not \(referenceRange(bytes, size))"
    )
}

/// What RFC 9110, 14.1.2, says, where exactly one range is asked for.
private func referenceRange(_ bytes: [UInt8], _ size: Int) -> ByteRange {
    guard bytes.small.starts(with: "bytes=".utf8) else { return .whole }
    let elements = bytes.dropFirst(6).split(separator: UInt8(ascii: ",")).map(\.withoutBlanks).filter { !$0.isEmpty }
    guard elements.count == 1 else { return .whole }
    let ends = elements[0].split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false).map(Array.init)
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
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    func encoded(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = (0..<3).reduce(0) { $0 << 8 | Int($1 < group.count ? group[start + $1] : 0) }
            text += (0...3).map { $0 <= group.count ? alphabet[bits >> (18 - 6 * $0) & 63] : UInt8(ascii: "=") }
        }
        return text
    }
    require(Base64.decode(encoded(bytes)) == bytes, "\(text(encoded(bytes))) is not what was encoded")
    if let decoded = Base64.decode(bytes) { require(encoded(decoded) == bytes, "\(text(bytes)) is written otherwise") }
}
