// A URL of http or https, taken apart for a client: whom to connect to, what to ask for. Pure; ClientRequest holds one.
//
// Invariant: nothing in it can end a line or a part of one: no spaces and no control characters, no user information, and a host that may stand in
// a Host field.

/// An http or https URL.
public nonisolated struct HTTPURL: Hashable, Sendable, LosslessStringConvertible {
    /// Whether it is https.
    public let isSecure: Bool
    /// The host: a name or an address, without brackets, in lower case.
    public let host: String
    /// The port.
    public let port: UInt16
    /// Path and query, as they are asked for; "/" at least.
    public let target: String

    /// Takes a URL apart; nil when it is none of http or https, or has a byte that none may have.
    ///
    /// A fragment is left out, and bytes beyond ASCII in path and query are percent-encoded. User information is refused: it does not belong
    /// there (RFC 9110, 4.2.4).
    public init?(_ text: String) {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        switch text[..<colon].lowercased() {
        case "http": isSecure = false
        case "https": isSecure = true
        default: return nil
        }
        // Bytes, not characters: an accent behind a colon or a slash makes it no other one.
        let afterScheme = text.utf8[colon...].dropFirst()
        guard afterScheme.starts(with: "//".utf8) else { return nil }
        let rest = afterScheme.dropFirst(2)
        let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }
        guard let (host, port) = Self.split(Array(rest[..<(end ?? rest.endIndex)])) else { return nil }
        self.host = host
        self.port = port ?? (isSecure ? 443 : 80)
        var target = ""
        for byte in rest[(end ?? rest.endIndex)...] {
            if byte == UInt8(ascii: "#") { break }
            guard byte > 0x20, byte != 0x7F else { return nil }
            if byte < 0x80 {
                target.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                target.append(percentEncoding: byte)
            }
        }
        self.target = target.hasPrefix("/") ? target : "/" + target
    }

    /// Host and port as the Host field has them: brackets around an IPv6 address, and the port unless it is the usual one.
    public var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
    }

    /// The URL, which `init` reads.
    public var description: String { "\(isSecure ? "https" : "http")://\(authority)\(target)" }

    // host [":" port]; the port is nil where there is none.
    private static func split(_ authority: [UInt8]) -> (host: String, port: UInt16?)? {
        let isOne = authority.withUnsafeBytes { RequestParser.isAuthority($0, needsPort: false) }
        guard !authority.isEmpty, isOne else { return nil }
        var host = authority[...]
        var port: UInt16?
        if authority.last != UInt8(ascii: "]"), let colon = authority.lastIndex(of: UInt8(ascii: ":")) {
            host = authority[..<colon]
            let digits = authority[(colon + 1)...]
            if !digits.isEmpty {
                guard let number = UInt16(String(decoding: digits, as: UTF8.self)), number > 0 else { return nil }
                port = number
            }
        }
        if host.first == UInt8(ascii: "[") { host = host.dropFirst().dropLast() }
        return (String(decoding: host, as: UTF8.self).lowercased(), port)
    }
}
