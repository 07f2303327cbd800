// What may be asked of a name server: names as they are written, checked before anybody is asked, and the names that a short
// one may stand for. Pure; NameResolver calls it.

/// A host name that is well formed: letters, digits, hyphens and underscores in labels (RFC 1123, section 2.1).
nonisolated struct HostName: Hashable {
    /// The longest name in bytes, without the final dot (RFC 1035, section 2.3.4, in text form).
    static let mostBytes = 253
    /// The longest part between two dots, in bytes.
    static let mostLabelBytes = 63

    /// In lower case, without the final dot.
    let text: String
    /// Whether a final dot said that this is the whole name.
    let isAbsolute: Bool

    /// Checks a name; nil when it cannot be a host's.
    ///
    /// Names beyond ASCII are refused: they are asked for in their encoded form ("xn--…"). So are names whose last label is
    /// a number, which no name is but many a mistyped address ("127.1", RFC 3696, section 2).
    init?(_ name: String) {
        isAbsolute = name.utf8.last == UInt8(ascii: ".")
        let bytes = name.utf8.dropLast(isAbsolute ? 1 : 0)
        guard !bytes.isEmpty, bytes.count <= Self.mostBytes else { return nil }
        let labels = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard labels.allSatisfy(Self.isLabel), let last = labels.last, !last.allSatisfy(Self.isDigit) else {
            return nil
        }
        text = String(decoding: bytes.map(Self.lowered), as: UTF8.self)
    }

    /// Whether it is this machine, whatever name servers say (RFC 6761, section 6.3).
    var isLoopback: Bool { text == "localhost" || text.hasSuffix(".localhost") }

    /// The names to ask for, in that order (resolv.conf(5), search and ndots).
    ///
    /// - Parameter dots: how many dots let a name be tried as it is first.
    func candidates(domains: [String], dots: Int) -> [String] {
        if isAbsolute { return [text] }
        let longer = domains.compactMap { HostName("\(text).\($0)")?.text }
        return text.utf8.count(where: { $0 == UInt8(ascii: ".") }) >= dots ? [text] + longer : longer + [text]
    }

    private static func isLabel(_ bytes: Substring.UTF8View.SubSequence) -> Bool {
        let hyphen = UInt8(ascii: "-")
        guard (1...mostLabelBytes).contains(bytes.count), bytes.first != hyphen, bytes.last != hyphen else {
            return false
        }
        return bytes.allSatisfy { byte in
            isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(lowered(byte))
                || byte == UInt8(ascii: "-")
                || byte == UInt8(ascii: "_")
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    /// A letter of ASCII in lower case, every other byte as it is.
    static func lowered(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
}
