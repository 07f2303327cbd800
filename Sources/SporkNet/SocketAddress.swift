// Where a socket listens or connects to: IPv4, IPv6 or a Unix path, with its text form. Literals only; names are
// resolved elsewhere.
import Glibc

/// The address of a socket.
///
/// Text forms: `127.0.0.1:8000`, `[::1]:8000`, `unix:/path`, and for convenience `localhost:8000` (IPv4), `:8000` (all IPv4
/// addresses) and a bare port, `8000` (127.0.0.1).
public nonisolated enum SocketAddress: Hashable, Sendable, CustomStringConvertible {
    /// Four bytes of an IPv4 address in network order, as one number in the machine's order, and a port.
    case ipv4(UInt32, port: UInt16)
    /// The 16 bytes of an IPv6 address, and a port.
    case ipv6([UInt8], port: UInt16)
    /// A path in the file system.
    case unix(String)

    /// Parses a text form.
    ///
    /// Nil when it is none of them.
    public init?(_ text: String) {
        if let path = text.droppingPrefix("unix:") {
            // sun_path holds 108 bytes with the final zero.
            guard !path.isEmpty, path.utf8.count < 108, !path.utf8.contains(0) else { return nil }
            self = .unix(path)
            return
        }
        guard let colon = text.lastIndex(of: ":") else {
            guard let port = Self.port(text[...]) else { return nil }
            self = .ipv4(0x7F00_0001, port: port)
            return
        }
        let host = text[..<colon]
        guard let port = Self.port(text[text.index(after: colon)...]) else { return nil }
        if host.hasPrefix("["), host.hasSuffix("]") {
            var address = in6_addr()
            guard inet_pton(AF_INET6, String(host.dropFirst().dropLast()), &address) == 1 else { return nil }
            self = .ipv6(withUnsafeBytes(of: &address) { Array($0) }, port: port)
        } else if host.isEmpty || host == "*" {
            self = .ipv4(0, port: port)
        } else if host == "localhost" {
            self = .ipv4(0x7F00_0001, port: port)
        } else {
            var address = in_addr()
            guard inet_pton(AF_INET, String(host), &address) == 1 else { return nil }
            self = .ipv4(UInt32(bigEndian: address.s_addr), port: port)
        }
    }

    private static func port(_ text: Substring) -> UInt16? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            return nil
        }
        return UInt16(text)
    }

    /// The text form that `init` reads.
    public var description: String {
        switch self {
        case .ipv4(let address, let port):
            let bytes = (0..<4).map { String(address >> (24 - 8 * UInt32($0)) & 0xFF) }
            return bytes.joined(separator: ".") + ":\(port)"
        case .ipv6(let bytes, let port):
            var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            inet_ntop(AF_INET6, bytes, &text, socklen_t(text.count))
            return "[" + text.withUnsafeBufferPointer { String(cString: $0.baseAddress.unsafelyUnwrapped) }
                + "]:\(port)"
        case .unix(let path):
            return "unix:\(path)"
        }
    }

    /// The port, where there is one.
    public var port: UInt16? {
        switch self {
        case .ipv4(_, let port), .ipv6(_, let port): port
        case .unix: nil
        }
    }

    /// The system's number for the kind of address.
    package var family: Int32 {
        switch self {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        case .unix: AF_UNIX
        }
    }

    /// Calls `body` with the system's form of the address.
    package func withSystemAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var storage = sockaddr_storage()
        return withUnsafeMutableBytes(of: &storage) { bytes in
            let length: Int
            switch self {
            case .ipv4(let address, let port):
                var system = sockaddr_in()
                system.sin_family = sa_family_t(AF_INET)
                system.sin_port = port.bigEndian
                system.sin_addr.s_addr = address.bigEndian
                length = MemoryLayout<sockaddr_in>.size
                withUnsafeBytes(of: &system) { bytes.copyMemory(from: $0) }
            case .ipv6(let address, let port):
                var system = sockaddr_in6()
                system.sin6_family = sa_family_t(AF_INET6)
                system.sin6_port = port.bigEndian
                withUnsafeMutableBytes(of: &system.sin6_addr) { $0.copyBytes(from: address) }
                length = MemoryLayout<sockaddr_in6>.size
                withUnsafeBytes(of: &system) { bytes.copyMemory(from: $0) }
            case .unix(let path):
                bytes.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
                let start = MemoryLayout<sa_family_t>.size
                for (offset, byte) in path.utf8.enumerated() { bytes[start + offset] = byte }
                length = start + path.utf8.count + 1
            }
            let address = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: sockaddr.self)
            return body(UnsafePointer(address), socklen_t(length))
        }
    }

    /// The address that a socket is bound to, as the kernel knows it: a port of 0 has become a real one.
    package static func local(of descriptor: Int32) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutableBytes(of: &storage) { bytes -> SocketAddress? in
            let address = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: sockaddr.self)
            guard getsockname(descriptor, address, &length) == 0 else { return nil }
            switch Int32(address.pointee.sa_family) {
            case AF_INET:
                let system = bytes.load(as: sockaddr_in.self)
                return .ipv4(UInt32(bigEndian: system.sin_addr.s_addr), port: UInt16(bigEndian: system.sin_port))
            case AF_INET6:
                var system = bytes.load(as: sockaddr_in6.self)
                let host = withUnsafeBytes(of: &system.sin6_addr) { Array($0) }
                return .ipv6(host, port: UInt16(bigEndian: system.sin6_port))
            case AF_UNIX:
                let start = MemoryLayout<sa_family_t>.size
                let path = bytes[start..<max(start, Int(length))].prefix { $0 != 0 }
                return .unix(String(decoding: path, as: UTF8.self))
            default:
                return nil
            }
        }
    }
}

extension String {
    fileprivate nonisolated func droppingPrefix(_ prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}
