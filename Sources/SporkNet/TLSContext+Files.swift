// The files behind a TLS context: what this end shows, and whom it believes. Read while the context is made; each error names its file.
import COpenSSL

extension TLSContext {
    /// Has this end show its certificate.
    nonisolated func loadIdentity() throws(TLSError) {
        guard let identity = configuration.identity else {
            if side == .server { throw TLSError(.unusable("it has none"), "read the certificate of", "a server") }
            return
        }
        // Without this OpenSSL would ask for a password at the terminal, and wait.
        SSL_CTX_set_default_passwd_cb(handle) { _, _, _, _ in 0 }
        ERR_clear_error()
        guard SSL_CTX_use_certificate_chain_file(handle, identity.certificate) == 1 else {
            throw TLSError(.ofLastFailure(), "read certificate", identity.certificate)
        }
        guard SSL_CTX_use_PrivateKey_file(handle, identity.key, SSL_FILETYPE_PEM) == 1 else {
            throw TLSError(.ofLastFailure(), "read key", identity.key)
        }
        guard SSL_CTX_check_private_key(handle) == 1 else {
            throw TLSError(.ofLastFailure(), "use key", identity.key)
        }
    }

    /// Has this end check the peer's certificate, if it is to.
    nonisolated func loadTrust() throws(TLSError) {
        let mode: Int32
        switch (side, configuration.clientCertificates) {
        case (.client, _): mode = configuration.trust == .anyone ? SSL_VERIFY_NONE : SSL_VERIFY_PEER
        case (.server, .ignored): return
        case (.server, .requested): mode = SSL_VERIFY_PEER
        case (.server, .required): mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
        }
        if side == .server, configuration.trust == .anyone {
            throw TLSError(.unusable("whom it believes has to be said"), "ask for certificates of", "clients")
        }
        SSL_CTX_set_verify(handle, mode, nil)
        ERR_clear_error()
        switch configuration.trust {
        case .system: try trustSystem()
        case .systemAnd(let file):
            try trustSystem()
            try trust(file)
        case .only(let file): try trust(file)
        case .anyone: break
        }
    }

    // The authorities' files are looked up one by one when a certificate names them: small, local reads within a handshake.
    private nonisolated func trustSystem() throws(TLSError) {
        guard SSL_CTX_set_default_verify_paths(handle) == 1 else {
            throw TLSError(.ofLastFailure(), "read", "the system's certificates")
        }
    }

    private nonisolated func trust(_ file: String) throws(TLSError) {
        guard SSL_CTX_load_verify_file(handle, file) == 1 else {
            throw TLSError(.ofLastFailure(), "read trusted certificates", file)
        }
        // Clients with several certificates choose by the authorities that a server names.
        if side == .server, let names = SSL_load_client_CA_file(file) { SSL_CTX_set_client_CA_list(handle, names) }
    }
}
