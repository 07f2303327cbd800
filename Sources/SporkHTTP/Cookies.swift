// Cookies: what a client sends, read strictly, and what a server sets (RFC 6265 and its revision, draft-ietf-httpbis-rfc6265bis). Pure.

/// The cookies of a request.
public struct Cookies: Sequence {
    private let fields: [String]

    package init(_ fields: [String]) { self.fields = fields }

    /// The value of the first cookie with this name; nil where there is none.
    public subscript(name: String) -> String? { first { $0.name == name }?.value }

    /// Goes through those that are written as cookies are (RFC 6265, 4.2.1); others are left out, not guessed at.
    public func makeIterator() -> IndexingIterator<[(name: String, value: String)]> {
        fields.flatMap { $0.utf8.split(separator: UInt8(ascii: ";")).compactMap(Self.pair) }.makeIterator()
    }

    private static func pair(_ text: Substring.UTF8View.SubSequence) -> (name: String, value: String)? {
        guard let trimmed = Substring(text).trimmingBlanks, let equals = trimmed.utf8.firstIndex(of: UInt8(ascii: "="))
        else { return nil }
        let name = trimmed[..<equals]
        var value = trimmed[trimmed.utf8.index(after: equals)...]
        if value.utf8.count >= 2, value.utf8.first == UInt8(ascii: "\""), value.utf8.last == UInt8(ascii: "\"") {
            value = value.dropFirst().dropLast()
        }
        guard !name.isEmpty, name.utf8.allSatisfy(\.isTokenCharacter), value.utf8.allSatisfy(\.mayStandInCookie) else {
            return nil
        }
        return (String(name), String(value))
    }
}

/// A cookie to be set: Set-Cookie (RFC 6265, 4.1).
public struct SetCookie: Equatable {
    /// With which requests from other sites it is sent.
    public enum SameSite: String, Sendable {
        case strict = "Strict"
        case lax = "Lax"
        case none = "None"
    }

    /// Its name, a token.
    public var name: String
    /// Its value; what may not stand in one is percent-encoded.
    public var value: String
    /// Below which path it is sent.
    public var path: String? = "/"
    /// To which host and its subdomains it is sent; nil for this host alone.
    public var domain: String?
    /// How long it is kept; nil until the client ends, zero to remove it.
    public var maxAge: Duration?
    /// Whether it is sent over TLS only.
    public var isSecure = false
    /// Whether scripts are kept from it.
    public var isHTTPOnly = true
    /// With which requests from other sites it is sent.
    public var sameSite: SameSite? = .lax

    /// A cookie with safe settings: for this host, not for scripts, not with requests that other sites make.
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    /// The value of the field.
    package var field: String {
        precondition(!name.isEmpty && name.utf8.allSatisfy(\.isTokenCharacter), "a cookie's name is a token")
        var field = "\(name)="
        for byte in value.utf8 {
            if byte.mayStandInCookie, byte != UInt8(ascii: "%") {
                field.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                field.append(percentEncoding: byte)
            }
        }
        if let path { field += "; Path=\(Self.attribute(path))" }
        if let domain { field += "; Domain=\(Self.attribute(domain))" }
        if let maxAge { field += "; Max-Age=\(maxAge.components.seconds)" }
        if isSecure || sameSite == SameSite.none { field += "; Secure" }
        if isHTTPOnly { field += "; HttpOnly" }
        if let sameSite { field += "; SameSite=\(sameSite.rawValue)" }
        return field
    }

    // A semicolon would begin another attribute, also one that a combining character makes another character of.
    private static func attribute(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { $0 != ";" }))
    }
}

extension Response {
    /// Has the client keep a cookie.
    public mutating func setCookie(_ cookie: SetCookie) { headers.add("Set-Cookie", cookie.field) }
}

extension Substring {
    /// This without spaces and tabs at both ends; nil when nothing is left.
    nonisolated var trimmingBlanks: Substring? {
        guard let start = utf8.firstIndex(where: { !$0.isBlank }), let end = utf8.lastIndex(where: { !$0.isBlank })
        else {
            return nil
        }
        return self[start...end]
    }
}

extension UInt8 {
    /// Whether this is a cookie-octet: visible ASCII but quotes, commas, semicolons and backslashes.
    fileprivate nonisolated var mayStandInCookie: Bool {
        switch self {
        case 0x21, 0x23...0x2B, 0x2D...0x3A, 0x3C...0x5B, 0x5D...0x7E: true
        default: false
        }
    }
}
