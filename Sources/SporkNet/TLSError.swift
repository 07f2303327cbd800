// How TLS can fail: making a context, and the handshake. What goes wrong on a connection that stands is a StreamError, with the same
// reasons in it.

/// A step towards a secure connection that failed: the operation, its object and the reason.
public nonisolated struct TLSError: Error, Equatable, CustomStringConvertible {
    /// The kinds of failures that callers tell apart.
    public enum Reason: Equatable, Sendable {
        /// The handshake has taken too long.
        case timedOut
        /// The stream was closed on this side meanwhile.
        case closed
        /// The connection ended before the handshake had.
        case truncated
        /// The peer speaks something else.
        case notTLS
        /// No version that both ends speak.
        case noSharedVersion
        /// No cipher suite that both ends know.
        case noSharedCipher
        /// Nothing to speak inside that both ends know (ALPN).
        case noSharedApplicationProtocol
        /// The peer's certificate is not believed; the text says why.
        case certificateRefused(String)
        /// The peer's certificate belongs to somebody else.
        case nameMismatch
        /// The peer has given up, with this alert (RFC 8446, 6).
        case alert(number: Int, String)
        /// What a file holds is of no use; the text is OpenSSL's.
        case unusable(String)
        /// The peer broke the protocol, or something else failed that only OpenSSL knows.
        case failed(String)
        /// The system refused, with this error number.
        case system(number: Int32)
    }

    /// What happened.
    public var reason: Reason
    /// What was attempted, such as "TLS handshake with".
    public var operation: String
    /// What it was attempted on: the server's name, the peer's address, a file.
    public var object: String

    /// An error of `operation` on `object`.
    public init(_ reason: Reason, _ operation: String, _ object: String) {
        self.reason = reason
        self.operation = operation
        self.object = object
    }

    /// For example "TLS handshake with example.org: certificate verify failed: self-signed certificate".
    public var description: String { "\(operation) \(object): \(reason)" }
}

nonisolated extension TLSError.Reason: CustomStringConvertible {
    /// A few words for a log.
    public var description: String {
        switch self {
        case .timedOut: "timed out"
        case .closed: "the stream is closed"
        case .truncated: "the peer ended the connection"
        case .notTLS: "the peer does not speak TLS"
        case .noSharedVersion: "no shared protocol version"
        case .noSharedCipher: "no shared cipher"
        case .noSharedApplicationProtocol: "no shared application protocol"
        case .certificateRefused(let why): "certificate verify failed: \(why)"
        case .nameMismatch: "certificate verify failed: it is for another name"
        case .alert(_, let text): "the peer gave up: \(text)"
        case .unusable(let why), .failed(let why): why
        case .system(let number): SystemError.reason(number)
        }
    }
}
