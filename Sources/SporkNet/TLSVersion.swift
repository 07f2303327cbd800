// The versions of TLS that are spoken. Older ones are not: RFC 8996 forbids them.
import COpenSSL

/// A version of TLS.
public nonisolated enum TLSVersion: Int, Comparable, Sendable, CustomStringConvertible {
    /// TLS 1.2, RFC 5246.
    case tls12 = 2
    /// TLS 1.3, RFC 8446.
    case tls13 = 3

    /// Whether `left` is older.
    public static func < (left: TLSVersion, right: TLSVersion) -> Bool { left.rawValue < right.rawValue }

    /// For example "TLS 1.3".
    public var description: String { "TLS 1.\(rawValue)" }

    /// The number it has on the wire.
    var number: Int32 {
        switch self {
        case .tls12: TLS1_2_VERSION
        case .tls13: TLS1_3_VERSION
        }
    }
}
