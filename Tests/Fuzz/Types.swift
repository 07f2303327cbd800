// What a client accepts, and types by file name: the best type is one of those that were offered, and the one a second reader finds.
import SporkHTTP

func checkTypes(_ input: FuzzInput) {
    let field = text(input.bytes)
    let offered = ["text/html", "application/json", "text/plain; charset=utf-8", "image/png"]
    let best = AcceptedTypes(field).best(of: offered)
    let expected = reference(field, offered)
    require(best == expected, "\(field): \(best ?? "none"), a second reader \(expected ?? "none")")
    if let best { require(offered.contains(best), "\(best) was not offered") }
    let type = MediaType.forFile(named: input.bytes)
    require(type.contains("/") && !type.utf8.contains { $0.endsLines }, "\(type) is no type")
    require(
        MediaType.forFile(named: Array("x/".utf8) + input.bytes) == type || input.bytes.count < 17,
        "a longer name, another type"
    )
}

/// The weight of the most specific range counts for a type (RFC 9110, 12.5.1); elements that are malformed count for none.
private func reference(_ field: String, _ offered: [String]) -> String? {
    var ranges: [(name: [UInt8], weight: Int)] = []
    for element in Array(field.utf8).split(separator: UInt8(ascii: ",")).map(\.withoutBlanks) {
        let parts = element.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false).map(\.withoutBlanks)
        guard let name = parts.first else { continue }
        let halves = name.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map(\.withoutBlanks)
        guard halves.count == 2, halves.allSatisfy({ !$0.isEmpty && $0.allSatisfy(\.isInToken) }) else { continue }
        var weight: Int? = 1000
        for parameter in parts.dropFirst() where parameter.small.starts(with: "q=".utf8) {
            weight = thousandths(text(parameter.dropFirst(2)))
        }
        if let weight { ranges.append((Array(halves.joined(separator: [47])).small, weight)) }
    }
    var best: (type: String, weight: Int)?
    for type in offered {
        let name = text(type.utf8.prefix { $0 != UInt8(ascii: ";") })
        let wanted = [name, "\(name.prefix { $0 != "/" })/*", "*/*"].map { Array($0.utf8) }
        let weight = wanted.lazy.compactMap { wanted in ranges.first { $0.name == wanted }?.weight }.first ?? 0
        if weight > best?.weight ?? 0 { best = (type, weight) }
    }
    return best?.type
}

/// ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ), in thousandths.
private func thousandths(_ text: String) -> Int? {
    guard let first = text.utf8.first, first == 48 || first == 49, text.utf8.count <= 5 else { return nil }
    let rest = text.utf8.dropFirst()
    guard rest.isEmpty || rest.first == UInt8(ascii: ".") else { return nil }
    let digits = rest.dropFirst()
    guard digits.allSatisfy({ (48...57).contains($0) }), first == 48 || digits.allSatisfy({ $0 == 48 }) else {
        return nil
    }
    let number = digits.reduce(0) { $0 * 10 + Int($1 - 48) }
    let scale = [1000, 100, 10, 1][digits.count]
    return first == 49 ? 1000 : number * scale
}
