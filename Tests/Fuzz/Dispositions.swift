// Values with parameters, against a second reader; and names of files that come back from Content-Disposition as they went in.
import SporkHTTP

func checkDispositions(_ input: FuzzInput) {
    var input = input
    let isName = input.choice(below: 2) == 1
    let bytes = input.bytes
    if isName { checkName(text(bytes)) } else { checkParameters(text(bytes)) }
}

private func checkParameters(_ field: String) {
    let found = ParameterizedValue(field)
    let expected = ReferenceValue(Array(field.utf8))
    require(found?.value == expected?.value, "\(field) is \(found?.value ?? "nothing")")
    guard let found, let expected else { return }
    for (name, value) in expected.parameters {
        require(found[name] == value, "\(name) of \(field) is \(found[name] ?? "nothing"), not \(value)")
    }
    require(found["none"] == expected.parameters.first { $0.name == "none" }?.value, "a parameter from nowhere")
    // Written with every value in quotes it is the same again.
    var again = found.value
    for (name, value) in expected.parameters {
        let escaped = value.utf8.flatMap { $0 == 34 || $0 == UInt8(ascii: "\\") ? [UInt8(ascii: "\\"), $0] : [$0] }
        again += "; \(name.uppercased())=\"\(text(escaped))\""
    }
    let reread = ParameterizedValue(again)
    require(reread?.value == found.value, "\(again) is something else than \(field)")
    for (name, value) in expected.parameters { require(reread?[name] == value, "\(name) of \(again)") }
}

private func checkName(_ name: String) {
    let field = ContentDisposition.attachment(named: name)
    require(field.utf8.allSatisfy { (32...126).contains($0) }, "\(field) has a byte that no field should have")
    require(
        Array(field.utf8).starts(with: "attachment".utf8)
            && ContentDisposition.inline(named: name) == "inline" + field.dropFirst(10),
        "to be shown it is something else"
    )
    guard let read = ParameterizedValue(field) else { return require(false, "\(field) is malformed") }
    require(read.value == "attachment", "\(field) is \(read.value)")
    // What would leave the directory, or end a line, stands there as something else.
    let fit = String(
        String.UnicodeScalarView(
            name.unicodeScalars.map {
                let isUnfit = $0.value < 32 || (127...159).contains($0.value) || [0x2028, 0x2029].contains($0.value)
                return isUnfit || $0 == "/" || $0 == "\\" ? "_" : $0
            }
        )
    )
    guard !fit.isEmpty else { return require(read["filename"] == nil && read["filename*"] == nil, "a name from none") }
    guard let plain = read["filename"] else { return require(false, "no name in \(field)") }
    require(plain.unicodeScalars.count == fit.unicodeScalars.count, "\(plain) for \(fit)")
    guard let encoded = read["filename*"] else { return require(Array(plain.utf8) == Array(fit.utf8), "\(plain)") }
    require(encoded.hasPrefix("UTF-8''"), "\(encoded) is in no encoding")
    let back = percentDecoded(Array(encoded.utf8.dropFirst(7)), isStrict: true)
    require(back == Array(fit.utf8), "\(encoded) is something else than \(fit)")
}

/// A value and its parameters, taken from the front piece by piece.
private struct ReferenceValue {
    var value: String
    var parameters: [(name: String, value: String)] = []

    init?(_ bytes: [UInt8]) {
        var rest = bytes[...]
        let value = rest.prefix { $0 != UInt8(ascii: ";") }
        rest = rest.dropFirst(value.count)
        self.value = text(value.withoutBlanks.small)
        guard !self.value.isEmpty, self.value.utf8.allSatisfy({ $0.isInToken || $0 == UInt8(ascii: "/") }) else {
            return nil
        }
        while rest.popFirst() != nil {
            rest = rest.drop { $0.isBlankOne }
            if rest.isEmpty || rest.first == UInt8(ascii: ";") { continue }
            let name = Array(rest.prefix { $0.isInToken })
            rest = rest.dropFirst(name.count)
            guard !name.isEmpty, rest.popFirst() == UInt8(ascii: "="), let value = Self.value(&rest) else { return nil }
            guard !parameters.contains(where: { Array($0.name.utf8) == name.small }) else { return nil }
            parameters.append((text(name.small), text(value)))
        }
        guard parameters.count <= ParameterizedValue.mostParameters else { return nil }
    }

    private static func value(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
        guard rest.first == 34 else {
            let value = rest.prefix { $0 != UInt8(ascii: ";") }
            rest = rest.dropFirst(value.count)
            let trimmed = value.withoutBlanks
            return trimmed.contains { $0 <= 32 || $0 == 127 || $0 == 34 } ? nil : trimmed
        }
        rest = rest.dropFirst()
        var value: [UInt8] = []
        while let byte = rest.popFirst() {
            if byte == 34 {
                rest = rest.drop { $0.isBlankOne }
                return rest.isEmpty || rest.first == UInt8(ascii: ";") ? value : nil
            }
            let isEscape = byte == UInt8(ascii: "\\") && (rest.first == 34 || rest.first == UInt8(ascii: "\\"))
            value.append(isEscape ? rest.removeFirst() : byte)
        }
        return nil
    }
}
