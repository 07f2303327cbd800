// Which of several addresses to try first: the policy table of RFC 6724, section 2.1, by which rule 6 of its section 6 orders
// destinations. The rules that need to know this machine's own addresses are left to trying: an address that cannot be
// reached from here fails at once, and ConnectionRace goes on with the next.

/// The two kinds of addresses that names have.
package nonisolated enum AddressFamily: CaseIterable, Sendable {
    case ipv6
    case ipv4

    package var other: AddressFamily { self == .ipv6 ? .ipv4 : .ipv6 }
}

nonisolated extension SocketAddress {
    /// The kind; nil for those that names do not have.
    package var nameFamily: AddressFamily? {
        switch self {
        case .ipv6: .ipv6
        case .ipv4: .ipv4
        case .unix, .abstract: nil
        }
    }

    /// The higher, the earlier it is tried (RFC 6724, section 2.1).
    package var precedence: Int {
        guard case .ipv6(let bytes, _, _) = self else { return 35 }
        let (first, second) = (UInt16(bytes[0]) << 8 | UInt16(bytes[1]), UInt16(bytes[2]) << 8 | UInt16(bytes[3]))
        if first == 0, second == 0 { return Self.precedence(ofLow: bytes) }
        switch first {
        case 0x2002: return 30
        case 0x2001 where second == 0: return 5
        case 0xFC00...0xFDFF: return 3
        case 0xFEC0...0xFEFF, 0x3FFE: return 1
        default: return 40
        }
    }

    // Those that begin with 32 zero bits: the loopback, mapped and compatible IPv4 addresses.
    private static func precedence(ofLow bytes: SIMD16<UInt8>) -> Int {
        if bytes == SocketAddress.loopbackBytes { return 50 }
        guard (4..<10).allSatisfy({ bytes[$0] == 0 }) else { return 40 }
        switch (bytes[10], bytes[11]) {
        case (0xFF, 0xFF): return 35
        case (0, 0): return 1
        default: return 40
        }
    }

    /// The bytes of ::1.
    static var loopbackBytes: SIMD16<UInt8> {
        var bytes = SIMD16<UInt8>()
        bytes[15] = 1
        return bytes
    }
}

nonisolated extension [SocketAddress] {
    /// The same addresses, those to be tried first in front; equals stay in their order, which name servers rotate.
    package var inOrderOfPreference: [SocketAddress] {
        enumerated().sorted { ($1.element.precedence, $0.offset) < ($0.element.precedence, $1.offset) }.map(\.element)
    }
}
