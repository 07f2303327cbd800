// Where the load goes: a URL, taken apart, and its name resolved once, before any process is forked.
import Glibc
import SporkNet

/// An http URL that load is put on.
public nonisolated struct LoadTarget: Sendable {
    /// The URL as it was given.
    public let url: String
    /// Where to connect to.
    public let address: SocketAddress
    /// The Host field's value.
    public let authority: String
    /// The request target: path and query.
    public let path: String

    /// Why a URL cannot be used.
    public enum Failure: Error, CustomStringConvertible {
        /// It is not an http URL.
        case malformed(String)
        /// Its host has no address.
        case unresolved(host: String, reason: String)

        /// One line.
        public var description: String {
            switch self {
            case .malformed(let url): "\(url) is not a URL of the form http://HOST[:PORT][/PATH]"
            case .unresolved(let host, let reason): "resolve \(host): \(reason)"
            }
        }
    }

    /// Takes `url` apart and resolves its host, which may ask a name server and wait for it.
    public init(url: String) throws {
        let scheme = "http://"
        guard url.hasPrefix(scheme), url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Failure.malformed(url)
        }
        let rest = url.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let path = rest.dropFirst(authority.count).prefix { $0 != "#" }
        guard let (host, port) = Self.split(authority) else { throw Failure.malformed(url) }
        self.url = url
        self.authority = String(authority)
        self.path = path.hasPrefix("/") ? String(path) : "/" + path
        address = try Self.resolve(host, port: port)
    }

    private static func split(_ authority: Substring) -> (host: String, port: UInt16)? {
        guard !authority.isEmpty, !authority.contains("@") else { return nil }
        var host = authority
        var port: UInt16 = 80
        if let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") {
            guard let number = UInt16(authority[authority.index(after: colon)...]) else { return nil }
            (host, port) = (authority[..<colon], number)
        }
        if host.hasPrefix("["), host.hasSuffix("]") { return (String(host.dropFirst().dropLast()), port) }
        return host.isEmpty || host.contains(":") ? nil : (String(host), port)
    }

    private static func resolve(_ host: String, port: UInt16) throws -> SocketAddress {
        if let literal = SocketAddress(host: host, port: port) { return literal }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, nil, &hints, &found)
        defer { if let found { freeaddrinfo(found) } }
        guard status == 0 else {
            throw Failure.unresolved(host: host, reason: String(cString: gai_strerror(status)))
        }
        var next = found
        while let entry = next {
            if let address = SocketAddress(entry.pointee, port: port) { return address }
            next = entry.pointee.ai_next
        }
        throw Failure.unresolved(host: host, reason: "no IPv4 or IPv6 address")
    }
}

extension SocketAddress {
    fileprivate nonisolated init?(_ entry: addrinfo, port: UInt16) {
        let bytes = UnsafeRawBufferPointer(start: entry.ai_addr, count: Int(entry.ai_addrlen))
        guard let address = SocketAddress(system: bytes), !address.isLocal else { return nil }
        self = address.with(port: port)
    }
}
