// Which of several representations a client likes best (RFC 9110, 12.5.1). Pure.

extension Request {
    /// Which of these media types the client accepts most, by its Accept fields; the first of those it likes alike.
    ///
    /// Nil when it accepts none of them: then 406 is due, or any of them (RFC 9110, 12.1).
    public func preferredType(of types: [String]) -> String? {
        let fields = headers.values("Accept")
        return fields.isEmpty ? types.first : AcceptedTypes(fields.joined(separator: ",")).best(of: types)
    }
}

/// What an Accept field says.
package nonisolated struct AcceptedTypes {
    private var ranges: [(type: Substring, subtype: Substring, quality: Int)] = []

    /// Reads the field; elements that are malformed are left out.
    package init(_ field: String) {
        for element in field.listElements {
            let parts = Self.split(element[...], at: UInt8(ascii: ";"))
            let names = Self.split(parts[0], at: UInt8(ascii: "/"))
            guard names.count == 2, names.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(\.isTokenCharacter) }) else {
                continue
            }
            var quality: Int? = 1000
            for parameter in parts.dropFirst() where parameter.utf8.prefix(2).map(\.inLowerCase) == Array("q=".utf8) {
                quality = Self.quality(Substring(parameter.utf8.dropFirst(2)))
            }
            if let quality { ranges.append((names[0], names[1], quality)) }
        }
    }

    /// The best of these types; the most specific range that fits one counts for it.
    package func best(of types: [String]) -> String? {
        var (best, most) = (String?.none, 0)
        for type in types {
            let quality = quality(of: type)
            if quality > most { (best, most) = (type, quality) }
        }
        return best
    }

    private func quality(of type: String) -> Int {
        let names = Self.split(Self.split(type[...], at: UInt8(ascii: ";"))[0], at: UInt8(ascii: "/"))
        guard names.count == 2 else { return 0 }
        var (found, specificity) = (0, -1)
        for range in ranges {
            let isType = String(range.type).isSameField(as: String(names[0]))
            let isExact = isType && String(range.subtype).isSameField(as: String(names[1]))
            let fits =
                isExact ? 2 : isType && range.subtype == "*" ? 1 : range.type == "*" && range.subtype == "*" ? 0 : -1
            if fits > specificity { (found, specificity) = (range.quality, fits) }
        }
        return found
    }

    /// A weight in thousandths (RFC 9110, 12.4.2).
    private static func quality(_ text: Substring) -> Int? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? parts[1] : ""
        guard parts.count <= 2, parts[0] == "0" || parts[0] == "1", fraction.utf8.count <= 3,
            fraction.utf8.allSatisfy(\.isDigit)
        else { return nil }
        let thousandths = Int((fraction + "000").prefix(3)) ?? 0
        return parts[0] == "1" ? (thousandths == 0 ? 1000 : nil) : thousandths
    }

    // By bytes: a combining character behind a delimiter makes another character of it.
    private static func split(_ text: Substring, at delimiter: UInt8) -> [Substring] {
        text.utf8.split(separator: delimiter, omittingEmptySubsequences: false).map {
            Substring($0).trimmingBlanks ?? ""
        }
    }
}
