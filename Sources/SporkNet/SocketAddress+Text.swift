// Addresses as people write them, on the command line and in messages: reading and printing are each other's reverse.
import Glibc

nonisolated extension SocketAddress: CustomStringConvertible, LosslessStringConvertible {
    // sun_path holds 108 bytes with the final zero of a path, or the zero before an abstract name.
    static let mostPathBytes = 107

    /// Parses a text form; nil when it is none of them.
    ///
    /// `127.0.0.1:8000`, `[::1]:8000`, `[fe80::1%eth0]:8000`, `unix:/path`, `unix:@name` for an abstract name; for convenience
    /// `localhost:8000` (IPv4), `:8000` and `*:8000` (all IPv4 addresses) and a bare port, `8000` (127.0.0.1). `tcp:` may stand before
    /// those that are not Unix's.
    public init?(_ text: String) {
        // The C library would read only what stands before it.
        if text.utf8.contains(0) { return nil }
        if let path = text.droppingPrefix("unix:") {
            guard let address = Self.unix(named: path) else { return nil }
            self = address
            return
        }
        let text = text.droppingPrefix("tcp:") ?? text
        guard let colon = text.lastIndex(of: ":") else {
            guard let port = Self.port(text[...]) else { return nil }
            self = .loopback(port: port)
            return
        }
        let host = text[..<colon]
        guard let port = Self.port(text[text.index(after: colon)...]) else { return nil }
        if host.hasPrefix("["), host.hasSuffix("]") {
            guard let address = Self.ipv6(host.dropFirst().dropLast(), port: port) else { return nil }
            self = address
        } else if host.isEmpty || host == "*" {
            self = .ipv4(0, port: port)
        } else if host == "localhost" {
            self = .loopback(port: port)
        } else {
            var address = in_addr()
            guard inet_pton(AF_INET, String(host), &address) == 1 else { return nil }
            self = .ipv4(UInt32(bigEndian: address.s_addr), port: port)
        }
    }

    /// An address from its host alone, without brackets, and a port; nil when the host is no literal.
    public init?(host: String, port: UInt16) {
        if host.utf8.contains(0) { return nil }
        var address = in_addr()
        if inet_pton(AF_INET, host, &address) == 1 {
            self = .ipv4(UInt32(bigEndian: address.s_addr), port: port)
        } else if let address = Self.ipv6(host[...], port: port) {
            self = address
        } else {
            return nil
        }
    }

    /// The text form that `init` reads.
    public var description: String {
        switch self {
        case .ipv4(_, let port): "\(host):\(port)"
        case .ipv6(_, let port, _): "[\(host)]:\(port)"
        case .unix(let path): "unix:\(path)"
        case .abstract(let name): "unix:@\(name)"
        }
    }

    /// The address without its port and without brackets; of Unix addresses the path or name.
    public var host: String {
        switch self {
        case .ipv4(let address, _):
            return (0..<4).map { String(address >> (24 - 8 * UInt32($0)) & 0xFF) }.joined(separator: ".")
        case .ipv6(let bytes, _, let scope):
            let text = withUnsafeBytes(of: bytes) { bytes in
                withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { room in
                    String(
                        cString: inet_ntop(AF_INET6, bytes.baseAddress, room.baseAddress, socklen_t(room.count))
                            .unsafelyUnwrapped
                    )
                }
            }
            return scope == 0 ? text : "\(text)%\(Self.interface(scope))"
        case .unix(let path): return path
        case .abstract(let name): return name
        }
    }

    private static func unix(named path: String) -> SocketAddress? {
        guard !path.isEmpty, path.utf8.count <= mostPathBytes else { return nil }
        guard let name = path.droppingPrefix("@") else { return .unix(path) }
        return name.isEmpty ? nil : .abstract(name)
    }

    private static func ipv6(_ host: Substring, port: UInt16) -> SocketAddress? {
        let parts = host.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        var scope: UInt32 = 0
        if parts.count == 2 {
            guard let index = index(ofInterface: parts[1]) else { return nil }
            scope = index
        }
        var bytes = SIMD16<UInt8>()
        guard let literal = parts.first, inet_pton(AF_INET6, String(literal), &bytes) == 1 else { return nil }
        return .ipv6(bytes, port: port, scope: scope)
    }

    // By name, or by number as the kernel gives it (RFC 4007, section 11.2).
    private static func index(ofInterface name: Substring) -> UInt32? {
        if let number = UInt32(name), number > 0 { return number }
        let index = name.isEmpty ? 0 : if_nametoindex(String(name))
        return index == 0 ? nil : index
    }

    private static func interface(_ index: UInt32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(IF_NAMESIZE)) { room in
            guard let start = room.baseAddress, if_indextoname(index, start) != nil else { return "\(index)" }
            return String(cString: start)
        }
    }

    private static func port(_ text: Substring) -> UInt16? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            return nil
        }
        return UInt16(text)
    }
}

extension String {
    fileprivate nonisolated func droppingPrefix(_ prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}
