// Where a socket listens or connects to: IPv4, IPv6, a Unix path or an abstract name. Its text form is in SocketAddress+Text.swift,
// the kernel's form in SocketAddress+System.swift. Literals only; names are resolved elsewhere.
import Glibc

/// The address of a socket.
public nonisolated enum SocketAddress: Hashable, Sendable {
    /// Four bytes of an IPv4 address in network order, as one number in the machine's order, and a port.
    case ipv4(UInt32, port: UInt16)
    /// The 16 bytes of an IPv6 address, a port, and for a link-local address the index of its interface; else 0.
    case ipv6(SIMD16<UInt8>, port: UInt16, scope: UInt32)
    /// A path in the file system; empty for the unnamed end of a connection.
    case unix(String)
    /// A name that needs no file and goes with the socket (Linux's abstract namespace, unix(7)).
    case abstract(String)

    /// This machine, by IPv4.
    public static func loopback(port: UInt16) -> SocketAddress { .ipv4(0x7F00_0001, port: port) }

    /// The port, where there is one.
    public var port: UInt16? {
        switch self {
        case .ipv4(_, let port), .ipv6(_, let port, _): port
        case .unix, .abstract: nil
        }
    }

    /// The same address with another port; unchanged where there is none.
    public func with(port: UInt16) -> SocketAddress {
        switch self {
        case .ipv4(let host, _): .ipv4(host, port: port)
        case .ipv6(let host, _, let scope): .ipv6(host, port: port, scope: scope)
        case .unix, .abstract: self
        }
    }

    /// Whether it is in the Unix domain: a path or an abstract name.
    public var isLocal: Bool {
        switch self {
        case .ipv4, .ipv6: false
        case .unix, .abstract: true
        }
    }
}
