// What a TLS context is made from: a value without a connection to OpenSSL, to be written down, changed and compared. TLSContext reads
// it once.

/// How connections of one TLS context are to be secured.
public nonisolated struct TLSConfiguration: Equatable, Sendable {
    /// Whose certificates are believed.
    public enum Trust: Equatable, Sendable {
        /// Those of the authorities that the system trusts (OpenSSL's default store; `SSL_CERT_FILE` and `SSL_CERT_DIR` replace it).
        case system
        /// The system's, and those in a file (PEM).
        case systemAnd(file: String)
        /// Those in a file (PEM), and nobody else.
        case only(file: String)
        /// Everybody's: chain and name go unchecked, what curl calls `-k`.
        ///
        /// The connection is secret, but nobody knows with whom.
        case anyone
    }

    /// What this end shows to prove who it is.
    public struct Identity: Equatable, Sendable {
        /// The file with the certificate and those between it and its authority, in this order (PEM).
        public var certificate: String
        /// The file with the certificate's key (PEM), not encrypted; it may be the same file.
        public var key: String

        /// An identity in these files.
        public init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// Whether a server asks its clients for certificates.
    public enum ClientCertificates: Sendable {
        /// It does not.
        case ignored
        /// It asks; a client without one is served as well, one with a bad one is not.
        case requested
        /// A client without one is refused.
        case required
    }

    /// The oldest version that is spoken.
    public var oldestVersion = TLSVersion.tls12
    /// The newest version that is spoken; nil for the newest that OpenSSL knows.
    public var newestVersion: TLSVersion?
    /// What may be spoken inside, such as "h2" and "http/1.1", best first (ALPN, RFC 7301).
    ///
    /// A server with several in common takes the first of its own. One that has nothing in common with a client that offers something
    /// refuses the handshake, as section 3.2 demands. With an empty list nothing is offered, and offers are ignored.
    public var applicationProtocols: [String] = []
    /// Whose certificates are believed: a client's peers, and, if a server asks for certificates, its clients.
    public var trust = Trust.system
    /// What this end shows; a server needs it.
    public var identity: Identity?
    /// Whether a server asks its clients for certificates.
    public var clientCertificates = ClientCertificates.ignored
    /// Whether later connections may go on with the session of earlier ones, which saves the peers a certificate and its check.
    ///
    /// A server hands out tickets and keeps nothing itself; a client keeps the tickets it got.
    public var resumesSessions = true
    /// For how many servers a client keeps sessions; when there are more, those unused for longest are forgotten.
    public var mostResumableServers = 256

    /// The defaults.
    public init() {}
}
