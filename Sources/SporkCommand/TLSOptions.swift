// The flags about TLS, which all commands that serve have in common; see ProcessOptions.
import ArgumentParser
import Spork

struct TLSOptions: ParsableArguments {
    @Option(help: .setting("tls-certificate")) var tlsCertificate: String?
    @Option(help: .setting("tls-key")) var tlsKey: String?

    /// The values that were given, by the settings' names.
    var values: [String: [String]] {
        ["tls-certificate": tlsCertificate, "tls-key": tlsKey].compactMapValues { $0.map { [$0] } }
    }
}
