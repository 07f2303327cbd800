// All that a server can be told by flags, by the environment and by a file, as one value. EffectiveConfiguration fills it in; what runs the
// server reads it.
import SporkHTTP
import SporkNet
import SporkPrefork

/// What a server goes by.
public nonisolated struct ServiceConfiguration: Sendable {
    /// The directory that `spork serve` serves.
    public var directory = "."
    /// Where to listen; none for what is usual for the service.
    public var addresses: [SocketAddress] = []
    /// How many workers; nil for one a processor.
    public var workers: Int?
    /// How the processes are run.
    ///
    /// Its number of workers is not looked at: `workers` says it.
    public var processes = ServerSettings()
    /// Limits and times of HTTP connections.
    public var http = HTTPServer.Configuration()
    /// The file with the certificate that the server shows (PEM); nil for no TLS.
    public var tlsCertificate: String?
    /// The file with the certificate's key (PEM).
    public var tlsKey: String?
    /// Whether TRACE is answered.
    public var allowsTrace = false

    /// The defaults.
    public init() {}

    /// What the server shows who it is with; nil for no TLS.
    public var tls: TLSFiles? {
        guard let tlsCertificate, let tlsKey else { return nil }
        return TLSFiles(certificate: tlsCertificate, key: tlsKey)
    }

    /// How the processes are run, with the number of workers.
    package var settings: ServerSettings {
        var settings = processes
        settings.workers = workers ?? ProcessorCount.available
        return settings
    }
}
