// What the two ends of a TLS connection have agreed upon, for those above who branch on it or write it down.
import COpenSSL

/// What a handshake has come to.
public nonisolated struct TLSParameters: Equatable, Sendable {
    /// The version.
    public let version: TLSVersion
    /// The cipher suite, by its name in the standard, such as "TLS_AES_256_GCM_SHA384".
    public let cipher: String
    /// What is spoken inside; nil when there was nothing in common, or nothing offered.
    public let applicationProtocol: String?
    /// The name that the client has asked for (SNI, RFC 6066); nil when it has not, as with addresses.
    public let serverName: String?
    /// Whom the peer's certificate was issued to, as RFC 2253 writes it, such as "CN=example.org"; nil when it showed none.
    public let peerSubject: String?
    /// Whether an earlier session was taken up.
    public let isResumed: Bool

    /// What `connection` has come to.
    init(of connection: OpaquePointer) {
        version = SSL_version(connection) == TLS1_3_VERSION ? .tls13 : .tls12
        let cipher = SSL_get_current_cipher(connection)
        self.cipher = SSL_CIPHER_standard_name(cipher).map { String(cString: $0) } ?? ""
        applicationProtocol = Self.applicationProtocol(of: connection)
        serverName = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) }
        peerSubject = Self.peerSubject(of: connection)
        isResumed = SSL_session_reused(connection) == 1
    }

    private static func applicationProtocol(of connection: OpaquePointer) -> String? {
        var start: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(connection, &start, &count)
        guard let start, count > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: start, count: Int(count)), as: UTF8.self)
    }

    private static func peerSubject(of connection: OpaquePointer) -> String? {
        guard let certificate = SSL_get0_peer_certificate(connection), let text = BIO_new(BIO_s_mem()) else {
            return nil
        }
        defer { BIO_free(text) }
        guard spork_tls_print_name(text, X509_get_subject_name(certificate)) >= 0 else { return nil }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4096) { buffer in
            let count = BIO_read(text, buffer.baseAddress, Int32(buffer.count))
            return String(decoding: buffer[..<Int(max(0, count))], as: UTF8.self)
        }
    }
}
