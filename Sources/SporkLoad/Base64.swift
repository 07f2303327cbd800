// Base64 (RFC 4648, 4), for histograms in results: HistogramExport writes it, HistogramCodec reads it. Pure.

/// Bytes as text.
nonisolated enum Base64 {
    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The text, padded.
    static func text(of bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start..<min(start + 3, bytes.count)]
            let word = part.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - part.count))
            for index in 0..<4 {
                text.append(index <= part.count ? letters[word >> (18 - 6 * index) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The bytes; nil when the text is not written as it would be encoded, but for bits at its end.
    static func bytes(of text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count.isMultiple(of: 4) else { return nil }
        let padding = digits.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard padding <= 2 else { return nil }
        var values = [Int](repeating: -1, count: 256)
        for (value, letter) in letters.enumerated() { values[Int(letter)] = value }
        var bytes: [UInt8] = []
        var (bits, count) = (0, 0)
        for digit in digits.dropLast(padding) {
            guard values[Int(digit)] >= 0 else { return nil }
            bits = bits << 6 & 0xFFFF | values[Int(digit)]
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
            }
        }
        return bytes
    }
}
