// The keys that a server seals its session tickets with (RFC 5077). Who has the same keys can take up the session: worker processes that
// share a listener need the same ones.
import COpenSSL

/// The keys of session tickets.
public nonisolated struct TLSTicketKeys: Equatable, Sendable {
    /// How many bytes they are: a name of 16, and two keys of 32.
    public static let count = 80

    /// The bytes, which are as secret as the certificate's key.
    public let bytes: [UInt8]

    /// New ones, from OpenSSL's generator.
    public init() {
        var bytes = [UInt8](repeating: 0, count: Self.count)
        precondition(RAND_bytes(&bytes, Int32(Self.count)) == 1, "OpenSSL has no random bytes")
        self.bytes = bytes
    }

    /// Those another process has; nil unless they are `count` bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == Self.count else { return nil }
        self.bytes = bytes
    }
}
