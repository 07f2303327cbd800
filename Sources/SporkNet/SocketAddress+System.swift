// Addresses as the kernel has them (sockaddr). Everything that binds, connects, sends or asks for an address comes through here.
import Glibc

nonisolated extension SocketAddress {
    /// The system's number for the kind of address.
    package var family: Int32 {
        switch self {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        case .unix, .abstract: AF_UNIX
        }
    }

    /// Calls `body` with the system's form of the address.
    package func withSystemAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var storage = sockaddr_storage()
        return withUnsafeMutableBytes(of: &storage) { bytes in
            let length = write(to: bytes)
            let address = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: sockaddr.self)
            return body(UnsafePointer(address), socklen_t(length))
        }
    }

    /// Writes the system's form to zeroed memory that is large enough for any.
    ///
    /// - Returns: its length in bytes.
    package func write(to bytes: UnsafeMutableRawBufferPointer) -> Int {
        switch self {
        case .ipv4(let address, let port):
            var system = sockaddr_in()
            system.sin_family = sa_family_t(AF_INET)
            system.sin_port = port.bigEndian
            system.sin_addr.s_addr = address.bigEndian
            bytes.storeBytes(of: system, as: sockaddr_in.self)
            return MemoryLayout<sockaddr_in>.size
        case .ipv6(let address, let port, let scope):
            var system = sockaddr_in6()
            system.sin6_family = sa_family_t(AF_INET6)
            system.sin6_port = port.bigEndian
            system.sin6_scope_id = scope
            withUnsafeMutableBytes(of: &system.sin6_addr) { $0.storeBytes(of: address, as: SIMD16<UInt8>.self) }
            bytes.storeBytes(of: system, as: sockaddr_in6.self)
            return MemoryLayout<sockaddr_in6>.size
        case .unix(let path): return Self.write(path, behind: 0, closing: 1, to: bytes)
        case .abstract(let name): return Self.write(name, behind: 1, closing: 0, to: bytes)
        }
    }

    // A path ends with a zero, an abstract name begins with one.
    private static func write(
        _ path: String,
        behind before: Int,
        closing after: Int,
        to bytes: UnsafeMutableRawBufferPointer
    ) -> Int {
        bytes.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
        // A length at which the kernel says that this is no address (EINVAL): no other socket shall be meant by a part of the name.
        guard path.utf8.count <= mostPathBytes, !path.utf8.contains(0) else { return 1 }
        let start = MemoryLayout<sa_family_t>.size + before
        for (offset, byte) in path.utf8.enumerated() { bytes[start + offset] = byte }
        return start + path.utf8.count + after
    }

    /// An address from the system's form; nil when it is of another kind.
    package init?(system bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= MemoryLayout<sa_family_t>.size else { return nil }
        switch Int32(bytes.loadUnaligned(as: sa_family_t.self)) {
        case AF_INET where bytes.count >= MemoryLayout<sockaddr_in>.size:
            let system = bytes.loadUnaligned(as: sockaddr_in.self)
            self = .ipv4(UInt32(bigEndian: system.sin_addr.s_addr), port: UInt16(bigEndian: system.sin_port))
        case AF_INET6 where bytes.count >= MemoryLayout<sockaddr_in6>.size:
            let system = bytes.loadUnaligned(as: sockaddr_in6.self)
            let host = withUnsafeBytes(of: system.sin6_addr) { $0.loadUnaligned(as: SIMD16<UInt8>.self) }
            self = .ipv6(host, port: UInt16(bigEndian: system.sin6_port), scope: system.sin6_scope_id)
        case AF_UNIX:
            let name = bytes.dropFirst(MemoryLayout<sa_family_t>.size)
            if name.first == 0, name.count > 1 {
                self = .abstract(String(decoding: name.dropFirst(), as: UTF8.self))
            } else {
                self = .unix(String(decoding: name.prefix { $0 != 0 }, as: UTF8.self))
            }
        default: return nil
        }
    }

    /// The address that a socket is bound to, as the kernel knows it: a port of 0 has become a real one.
    package static func local(of descriptor: Int32) -> SocketAddress? { asked(descriptor, getsockname) }

    /// The address at the other end of a connected socket.
    package static func peer(of descriptor: Int32) -> SocketAddress? { asked(descriptor, getpeername) }

    private static func asked(
        _ descriptor: Int32,
        _ ask: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutableBytes(of: &storage) { bytes -> SocketAddress? in
            let address = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: sockaddr.self)
            guard ask(descriptor, address, &length) == 0 else { return nil }
            return SocketAddress(system: UnsafeRawBufferPointer(rebasing: bytes[..<min(bytes.count, Int(length))]))
        }
    }
}
