// Where the load goes: a URL, taken apart, and its name resolved once, before any load process is forked (LoadTarget+Name.swift).
import SporkNet

/// An http or https URL that load is put on, or a tcp one, whose server sends everything back.
public nonisolated struct LoadTarget: Sendable {
    /// The URL as it was given.
    public let url: String
    /// The scheme, without what follows it.
    var scheme: String { isSecure ? "https" : isEcho ? "tcp" : "http" }
    /// Whether it is https.
    public let isSecure: Bool
    /// Whether it is tcp: bytes are sent, and the same bytes have to come back.
    public let isEcho: Bool
    /// The host: a name, or an address without brackets.
    public let host: String
    /// Where to connect to.
    public let address: SocketAddress
    /// The Host field's value.
    public let authority: String
    /// The request target: path and query.
    public let path: String

    /// Why a URL cannot be used.
    public enum Failure: Error, CustomStringConvertible {
        /// It is none of these.
        case malformed(String)
        /// Its host has no address.
        case unresolved(String)

        /// One line.
        public var description: String {
            switch self {
            case .malformed(let url):
                "\(url) is not a URL of the form http[s]://HOST[:PORT][/PATH] or tcp://HOST:PORT"
            case .unresolved(let reason): reason
            }
        }
    }

    /// Takes `url` apart and resolves its host, which may ask a name server and wait for it.
    ///
    /// - Parameter socket: connects to this address, whatever the URL says; its host is not resolved then.
    public init(url: String, at socket: SocketAddress? = nil) throws {
        var known: [String: SocketAddress] = [:]
        try self.init(url: url, at: socket, known: &known)
    }

    /// Several URLs, each name with its port resolved once.
    public static func all(of urls: [String], at socket: SocketAddress? = nil) throws -> [LoadTarget] {
        var known: [String: SocketAddress] = [:]
        return try urls.map { try LoadTarget(url: $0, at: socket, known: &known) }
    }

    private init(url: String, at socket: SocketAddress?, known: inout [String: SocketAddress]) throws {
        let scheme = ["https://", "tcp://"].first { url.hasPrefix($0) } ?? "http://"
        guard url.hasPrefix(scheme), url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Failure.malformed(url)
        }
        isSecure = scheme == "https://"
        isEcho = scheme == "tcp://"
        let rest = url.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let path = rest.dropFirst(authority.count).prefix { $0 != "#" }
        // Nobody has agreed on a port for sending everything back but 7 (RFC 862), where nobody listens.
        guard let (host, port) = Self.split(authority, defaultPort: isEcho ? 0 : isSecure ? 443 : 80),
            !isEcho || (path.isEmpty || path == "/") && port > 0
        else { throw Failure.malformed(url) }
        self.url = url
        self.host = host
        self.authority = String(authority)
        self.path = path.hasPrefix("/") ? String(path) : "/" + path
        let name = "\(host):\(port)"
        address = try socket ?? SocketAddress(host: host, port: port) ?? known[name] ?? Self.resolve(host, port: port)
        known[name] = address
    }

    private static func split(_ authority: Substring, defaultPort: UInt16) -> (host: String, port: UInt16)? {
        guard !authority.isEmpty, !authority.contains("@") else { return nil }
        var host = authority
        var port = defaultPort
        if let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") {
            guard let number = UInt16(authority[authority.index(after: colon)...]) else { return nil }
            (host, port) = (authority[..<colon], number)
        }
        if host.hasPrefix("["), host.hasSuffix("]") { return (String(host.dropFirst().dropLast()), port) }
        return host.isEmpty || host.contains(":") ? nil : (String(host), port)
    }
}
