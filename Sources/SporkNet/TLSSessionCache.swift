// The sessions that a client may take up again, by the server's name. TLSContext has one; OpenSSL's callback for new sessions fills it.
//
// Invariant: it owns one reference to each session in it.
import COpenSSL

/// Sessions of earlier connections.
nonisolated struct TLSSessionCache: ~Copyable {
    private struct Entry {
        // Newest last. A server of TLS 1.3 hands out several, because each is good for one connection (RFC 8446, C.4).
        var sessions: [OpaquePointer] = []
        var lastUse: UInt64
    }

    private static let mostSessionsOfServer = 4

    private let mostServers: Int
    private var entries: [String: Entry] = [:]
    private var uses: UInt64 = 0

    init(mostServers: Int) { self.mostServers = mostServers }

    deinit { for entry in entries.values { entry.sessions.forEach { SSL_SESSION_free($0) } } }

    /// How many servers there are sessions for.
    var count: Int { entries.count }

    /// Keeps a session; takes over the caller's reference.
    mutating func insert(_ session: OpaquePointer, for server: String) {
        uses += 1
        if entries[server] == nil, entries.count >= mostServers { removeLeastRecentlyUsed() }
        var entry = entries[server] ?? Entry(lastUse: uses)
        // An older version's session serves any number of connections: one of it is enough.
        if entry.sessions.count >= (Self.isReusable(session) ? 1 : Self.mostSessionsOfServer) {
            SSL_SESSION_free(entry.sessions.removeFirst())
        }
        entry.sessions.append(session)
        entry.lastUse = uses
        entries[server] = entry
    }

    /// The newest session for a server; the caller owns the reference.
    mutating func take(for server: String) -> OpaquePointer? {
        guard var entry = entries[server] else { return nil }
        uses += 1
        entry.lastUse = uses
        while let session = entry.sessions.popLast() {
            if SSL_SESSION_is_resumable(session) == 1 {
                if Self.isReusable(session) {
                    SSL_SESSION_up_ref(session)
                    entry.sessions.append(session)
                }
                entries[server] = entry.sessions.isEmpty ? nil : entry
                return session
            }
            SSL_SESSION_free(session)
        }
        entries[server] = nil
        return nil
    }

    private mutating func removeLeastRecentlyUsed() {
        guard let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) else { return }
        oldest.value.sessions.forEach { SSL_SESSION_free($0) }
        entries[oldest.key] = nil
    }

    private static func isReusable(_ session: OpaquePointer) -> Bool {
        SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION
    }
}
