// Names and values as forms and queries have them: application/x-www-form-urlencoded (URL Standard, 5.1). Decoded when they are asked for.

/// Names with values, in the order in which they were sent; a name may be there several times.
public struct FormValues: Sequence {
    private let encoded: [UInt8]

    /// The values that these bytes encode.
    public init(_ encoded: [UInt8]) { self.encoded = encoded }

    /// The first value with this name; nil where there is none.
    public subscript(name: String) -> String? { first { $0.name == name }?.value }

    /// All values with this name.
    public func values(_ name: String) -> [String] { filter { $0.name == name }.map(\.value) }

    /// Goes through names and values.
    public func makeIterator() -> AnyIterator<(name: String, value: String)> {
        var pairs = encoded.split(separator: UInt8(ascii: "&")).makeIterator()
        return AnyIterator {
            guard let pair = pairs.next() else { return nil }
            let name = pair.prefix { $0 != UInt8(ascii: "=") }
            return (Self.decode(name), Self.decode(pair.dropFirst(name.count + 1)))
        }
    }

    /// A plus is a space; a percent sign without two digits stands for itself; what is not UTF-8 is replaced (U+FFFD).
    private static func decode(_ text: ArraySlice<UInt8>) -> String {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(text.count)
        var position = text.startIndex
        while position < text.endIndex {
            let byte = text[position]
            if byte == UInt8(ascii: "%"), position + 2 < text.endIndex, text[position + 1].isHexadecimal,
                text[position + 2].isHexadecimal
            {
                decoded.append(text[position + 1].hexadecimalValue << 4 | text[position + 2].hexadecimalValue)
                position += 3
            } else {
                decoded.append(byte == UInt8(ascii: "+") ? 0x20 : byte)
                position += 1
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }
}
