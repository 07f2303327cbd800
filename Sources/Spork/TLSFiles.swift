// The files that a server shows who it is with, as a configuration names them. Service reads them for each generation of workers.
import SporkNet

/// A server's certificate and its key, in two files.
public nonisolated struct TLSFiles: Equatable, Sendable {
    /// The file with the certificate and those between it and its authority, in this order (PEM).
    public var certificate: String
    /// The file with the certificate's key (PEM), not encrypted; it may be the same file.
    public var key: String

    /// These files.
    public init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }

    /// Reads the files as they are now.
    ///
    /// - Parameters:
    ///   - keys: the keys of session tickets; workers with the same ones take up each other's sessions. Nil for new ones.
    ///   - protocols: what is spoken inside, best first (ALPN); a client that offers others only is refused. Empty for anything.
    /// - Throws: `TLSError` naming the file that cannot be used.
    public func load(_ keys: TLSTicketKeys? = nil, protocols: [String] = []) throws(TLSError) -> TLSContext {
        let context = try TLSContext.server(certificate: certificate, key: key, applicationProtocols: protocols)
        if let keys { context.setTicketKeys(keys) }
        return context
    }
}
