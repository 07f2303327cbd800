// What all TLS connections of one kind share: certificates, whom to believe, protocols, sessions to take up again. Made once, before or
// after the workers are forked: OpenSSL's generator of random numbers notices a fork, and the keys of tickets are the same in every
// process. Connections themselves must not be carried across a fork.
//
// Invariant: nothing changes after `init` but the sessions and the keys of tickets. Touched on the loop's thread only.
import COpenSSL

// Sendable unchecked: it may be made before there is a loop, and is touched on the loop's thread from then on.

/// What a TLS configuration has become: its files read, ready for connections.
public nonisolated final class TLSContext: @unchecked Sendable {
    /// Which end of its connections a context is for.
    public enum Side: Sendable {
        /// The one that connects.
        case client
        /// The one that is connected to.
        case server
    }

    /// How long a handshake may take unless its caller says otherwise.
    public static let defaultHandshakeLimit: Duration = .seconds(10)

    /// Which end it is for.
    public let side: Side
    /// What it was made from.
    public let configuration: TLSConfiguration

    /// OpenSSL's context.
    let handle: OpaquePointer
    private var sessions: TLSSessionCache
    // What may be spoken inside, as it is on the wire: each with its length before it.
    private let protocols: UnsafeBufferPointer<UInt8>

    /// Reads the files that `configuration` names, and prepares connections.
    ///
    /// It takes a few milliseconds and reads files: for the start of a program, not for each connection.
    ///
    /// - Throws: `TLSError` naming the file, or what else cannot be used.
    public init(_ configuration: TLSConfiguration, for side: Side) throws(TLSError) {
        ERR_clear_error()
        guard let handle = SSL_CTX_new(side == .client ? TLS_client_method() : TLS_server_method()) else {
            throw TLSError(.ofLastFailure(), "make a context for", "TLS")
        }
        self.side = side
        self.configuration = configuration
        self.handle = handle
        sessions = TLSSessionCache(mostServers: max(1, configuration.mostResumableServers))
        protocols = Self.wireForm(of: configuration.applicationProtocols)
        // From here on `deinit` frees the context, also when this throws.
        spork_tls_set_usual_options(handle)
        // Several records arrive in one system call. It is safe because whoever waits for input asks first what is buffered.
        SSL_CTX_set_default_read_buffer_len(handle, Self.readBufferSize)
        let newest = configuration.newestVersion?.number ?? 0
        guard spork_tls_set_versions(handle, configuration.oldestVersion.number, newest) == 1 else {
            throw TLSError(.ofLastFailure(), "choose versions of", "TLS")
        }
        try loadIdentity()
        try loadTrust()
        try offerProtocols()
        prepareSessions()
    }

    deinit {
        SSL_CTX_free(handle)
        protocols.deallocate()
    }

    /// A server's context: what it shows, and what may be spoken inside.
    ///
    /// - Throws: `TLSError` naming the file that cannot be used.
    public static func server(
        certificate: String,
        key: String,
        applicationProtocols: [String] = []
    ) throws(TLSError) -> TLSContext {
        var configuration = TLSConfiguration()
        configuration.identity = .init(certificate: certificate, key: key)
        configuration.applicationProtocols = applicationProtocols
        return try TLSContext(configuration, for: .server)
    }

    /// A client's context: whom it believes, and what may be spoken inside.
    ///
    /// - Throws: `TLSError` naming the file that cannot be used.
    public static func client(
        trust: TLSConfiguration.Trust = .system,
        applicationProtocols: [String] = []
    ) throws(TLSError) -> TLSContext {
        var configuration = TLSConfiguration()
        configuration.trust = trust
        configuration.applicationProtocols = applicationProtocols
        return try TLSContext(configuration, for: .client)
    }

    /// Has a server seal its tickets with these keys, instead of those it has made itself.
    ///
    /// Processes with the same keys take up each other's sessions; processes that are forked after the context was made have the same
    /// ones anyway. Tickets under other keys are no longer taken: their clients get a full handshake.
    public func setTicketKeys(_ keys: TLSTicketKeys) {
        let done = keys.bytes.withUnsafeBytes { spork_tls_set_ticket_keys(handle, $0.baseAddress, $0.count) }
        precondition(done == 1, "OpenSSL takes ticket keys of \(TLSTicketKeys.count) bytes")
    }

    /// For how many servers a client could take up a session.
    public var resumableServers: Int { sessions.count }

    /// The session to take up with a server; the caller owns the reference.
    func takeSession(for server: String) -> OpaquePointer? { sessions.take(for: server) }

    /// How much is read at once: three full records, as far as they have come.
    private static let readBufferSize = 3 * (16 * 1024 + 256)

    private func offerProtocols() throws(TLSError) {
        guard let start = protocols.baseAddress, !protocols.isEmpty else { return }
        switch side {
        case .client:
            // This one answers 0 when it is content.
            guard SSL_CTX_set_alpn_protos(handle, start, UInt32(protocols.count)) == 0 else {
                throw TLSError(.unusable("empty, or too many"), "offer", "application protocols")
            }
        case .server:
            SSL_CTX_set_alpn_select_cb(
                handle,
                { _, chosen, chosenCount, offered, offeredCount, context in
                    guard let context, let chosen else { return SSL_TLSEXT_ERR_NOACK }
                    let own = Unmanaged<TLSContext>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.protocols }
                    // It wants a place for a pointer that may be written through, and never writes through it.
                    var found: UnsafeMutablePointer<UInt8>?
                    let count = UInt32(own.count)
                    let outcome = SSL_select_next_proto(
                        &found,
                        chosenCount,
                        own.baseAddress,
                        count,
                        offered,
                        offeredCount
                    )
                    guard outcome == OPENSSL_NPN_NEGOTIATED else { return SSL_TLSEXT_ERR_ALERT_FATAL }
                    chosen.pointee = UnsafePointer(found)
                    return SSL_TLSEXT_ERR_OK
                },
                // Connections keep their context, so it is there whenever this is called.
                Unmanaged.passUnretained(self).toOpaque()
            )
        }
    }

    private func prepareSessions() {
        let resumes = configuration.resumesSessions
        spork_tls_keep_no_sessions(handle, resumes && side == .client ? 1 : 0)
        if !resumes { spork_tls_disable_tickets(handle) }
        // A server that checks certificates has to say for what its sessions are good.
        let name = Array("spork".utf8)
        SSL_CTX_set_session_id_context(handle, name, UInt32(name.count))
        if side == .server { spork_tls_take_server_names(handle) }
        guard resumes, side == .client else { return }
        SSL_CTX_sess_set_new_cb(handle) { connection, session in
            guard let connection, let session, let owner = TLSSession.of(connection), let server = owner.server else {
                return 0
            }
            owner.context.sessions.insert(session, for: server)
            return 1
        }
    }

    private static func wireForm(of names: [String]) -> UnsafeBufferPointer<UInt8> {
        let bytes = names.flatMap { name in
            let name = name.utf8.prefix(255)
            return name.isEmpty ? [] : [UInt8(name.count)] + name
        }
        let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        _ = memory.initialize(from: bytes)
        return UnsafeBufferPointer(memory)
    }
}
