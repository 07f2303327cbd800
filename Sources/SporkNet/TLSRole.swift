// Which end of a TLS connection a stream is.

/// Which end of a connection this is.
public nonisolated enum TLSRole: Equatable, Sendable {
    /// The one that has connected, to whom the certificate has to belong: a name, or an IP address without brackets.
    case client(serverName: String)
    /// The one that was connected to.
    case server
}
