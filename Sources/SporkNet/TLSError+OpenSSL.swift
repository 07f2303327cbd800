// From OpenSSL's queue of errors, which belongs to the thread, to a reason that callers can tell apart. Called after a call has failed;
// whoever made the call has emptied the queue before it.
import COpenSSL

extension TLSError.Reason {
    /// The reason why something without a connection failed.
    nonisolated static func ofLastFailure() -> TLSError.Reason {
        guard let code = takeErrors(preferring: nil) else { return .failed("OpenSSL does not say why") }
        if ERR_GET_LIB(code) == ERR_LIB_SYS { return .system(number: ERR_GET_REASON(code)) }
        return .unusable(text(of: code))
    }

    /// The reason why a call on `connection` failed.
    nonisolated static func ofLastFailure(on connection: OpaquePointer) -> TLSError.Reason {
        guard let code = takeErrors(preferring: ERR_LIB_SSL) else { return .truncated }
        guard ERR_GET_LIB(code) == ERR_LIB_SSL else { return .failed(text(of: code)) }
        let reason = ERR_GET_REASON(code)
        switch reason {
        case SSL_R_CERTIFICATE_VERIFY_FAILED: return ofVerification(on: connection)
        case SSL_R_UNEXPECTED_EOF_WHILE_READING: return .truncated
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_WRONG_VERSION_NUMBER, SSL_R_UNKNOWN_PROTOCOL,
            SSL_R_PACKET_LENGTH_TOO_LONG:
            return SSL_is_init_finished(connection) == 1 ? .failed(text(of: code)) : .notTLS
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_VERSION_TOO_HIGH, SSL_R_WRONG_SSL_VERSION,
            SSL_R_NO_PROTOCOLS_AVAILABLE:
            return .noSharedVersion
        case SSL_R_NO_SHARED_CIPHER: return .noSharedCipher
        case SSL_R_NO_APPLICATION_PROTOCOL: return .noSharedApplicationProtocol
        case SSL_AD_REASON_OFFSET...(SSL_AD_REASON_OFFSET + 255): return ofAlert(reason - SSL_AD_REASON_OFFSET)
        default: return .failed(text(of: code))
        }
    }

    private nonisolated static func ofVerification(on connection: OpaquePointer) -> TLSError.Reason {
        let result = SSL_get_verify_result(connection)
        switch Int32(truncatingIfNeeded: result) {
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: return .nameMismatch
        case X509_V_OK: return .certificateRefused("the peer showed none")
        default: return .certificateRefused(String(cString: X509_verify_cert_error_string(result)))
        }
    }

    private nonisolated static func ofAlert(_ number: Int32) -> TLSError.Reason {
        switch number {
        case SSL_AD_PROTOCOL_VERSION: .noSharedVersion
        case SSL_AD_NO_APPLICATION_PROTOCOL: .noSharedApplicationProtocol
        default: .alert(number: Int(number), String(cString: SSL_alert_desc_string_long(number)))
        }
    }

    /// Empties the queue.
    ///
    /// - Parameter library: whose errors say most.
    /// - Returns: the first error of that library, or else the first of all, which is the cause of those behind it.
    private nonisolated static func takeErrors(preferring library: Int32?) -> UInt? {
        var (first, preferred): (UInt?, UInt?) = (nil, nil)
        while case let code = ERR_get_error(), code != 0 {
            first = first ?? code
            if preferred == nil, ERR_GET_LIB(code) == library { preferred = code }
        }
        return preferred ?? first
    }

    private nonisolated static func text(of code: UInt) -> String {
        ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
    }
}
