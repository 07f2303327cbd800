// A field's value with parameters behind it, as Content-Type and Content-Disposition have them (RFC 9110, 5.6.6, RFC 6266, 4.1). Pure; asked
// for the boundary of a multipart body, and for the names of its parts.
//
// Stricter than most about doubles, because two readers could choose differently; more patient than the grammar about a value without quotes,
// which may be anything up to the next semicolon, and about a backslash that escapes nothing.

/// A value, in lower case, and its parameters.
package nonisolated struct ParameterizedValue {
    /// What stands before the parameters, in lower case.
    package let value: String
    private let parameters: [(name: String, value: String)]

    /// Nobody sends more, and each is compared with all before it.
    package static var mostParameters: Int { 32 }

    /// Reads a field's value; nil when it is malformed, has a parameter twice, or too many of them.
    package init?(_ field: String) {
        let bytes = Array(field.utf8)
        var position = bytes.firstIndex(of: UInt8(ascii: ";")) ?? bytes.count
        let value = Self.trim(bytes[..<position])
        guard !value.isEmpty, value.allSatisfy({ $0.isTokenCharacter || $0 == UInt8(ascii: "/") }) else { return nil }
        self.value = String(decoding: value.map(\.inLowerCase), as: UTF8.self)
        var parameters: [(name: String, value: String)] = []
        while position < bytes.count {
            // At a semicolon; nothing may follow it.
            position += 1
            position = bytes[position...].firstIndex { !$0.isBlank } ?? bytes.count
            if position == bytes.count || bytes[position] == UInt8(ascii: ";") { continue }
            guard let equals = bytes[position...].firstIndex(where: { !$0.isTokenCharacter }), equals > position,
                bytes[equals] == UInt8(ascii: "=")
            else { return nil }
            let name = String(decoding: bytes[position..<equals].map(\.inLowerCase), as: UTF8.self)
            position = equals + 1
            guard parameters.count < Self.mostParameters, let value = Self.value(in: bytes, at: &position),
                !parameters.contains(where: { $0.name == name })
            else { return nil }
            parameters.append((name, String(decoding: value, as: UTF8.self)))
        }
        self.parameters = parameters
    }

    /// The value of the parameter with this name, which is in lower case.
    package subscript(name: String) -> String? { parameters.first { $0.name == name }?.value }

    /// A parameter's value, quoted or not; moves `position` to the semicolon behind it, or to the end.
    private static func value(in bytes: [UInt8], at position: inout Int) -> [UInt8]? {
        var value: [UInt8] = []
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
            let end = bytes[position...].firstIndex(of: UInt8(ascii: ";")) ?? bytes.count
            value = Array(trim(bytes[position..<end]))
            position = end
            return value.allSatisfy { $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\"") } ? value : nil
        }
        position += 1
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
            let next = position + 1 < bytes.count ? bytes[position + 1] : 0
            // Some send the names of their files as they are, backslashes and all.
            if bytes[position] == UInt8(ascii: "\\"), next == UInt8(ascii: "\"") || next == UInt8(ascii: "\\") {
                position += 1
            }
            value.append(bytes[position])
            position += 1
        }
        guard position < bytes.count else { return nil }
        position = bytes[(position + 1)...].firstIndex { !$0.isBlank } ?? bytes.count
        guard position == bytes.count || bytes[position] == UInt8(ascii: ";") else { return nil }
        return value
    }

    private static func trim(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let start = bytes.drop(while: \.isBlank)
        return start.prefix(upTo: start.lastIndex { !$0.isBlank }.map { $0 + 1 } ?? start.startIndex)
    }
}
