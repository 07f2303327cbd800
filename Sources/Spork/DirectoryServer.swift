// spork serve as a library call: forks, serves a directory. What the command line does besides is parsing flags and
// printing lines.
import SporkHTTP
import SporkNet
import SporkPrefork

/// A server for the files of a directory.
package enum DirectoryServer {
    /// Where it listens when nobody says anything else.
    package static let standard = SocketAddress.loopback(port: 8000)

    /// Whether a server could be started with a configuration, as far as can be told without binding anything.
    ///
    /// - Throws: `SystemError` for a directory, a user or a group that is not to be had; `TLSError` for a file.
    package static func check(_ configuration: ServiceConfiguration) throws {
        _ = try ServedDirectory(configuration.directory)
        try Service.check(configuration)
    }

    /// Serves until a signal ends it; see `Master.run`.
    ///
    /// Workers look once a second whether another directory has come to be at the path; a reload opens it anew at once, and fails when there
    /// is none.
    ///
    /// - Parameters:
    ///   - source: what the server goes by. Nothing outside of its directory can be reached, by links neither.
    ///   - started: called once with a line for people: what is served, where, by whom.
    ///   - report: called with a line about anything an operator should know.
    /// - Throws: `ConfigurationError`; `SystemError`, naming what could not be opened or bound; `TLSError`, naming a file that cannot be used.
    package static func run(
        _ source: ConfigurationSource,
        started: @escaping (String) -> Void,
        report: @escaping (String) -> Void
    ) throws {
        let service = Service(source, standard: standard, protocols: Service.httpProtocols) { configuration, context in
            let directory = try ServedDirectory(configuration.directory)
            return { worker in
                let files = FileService(directory)
                let server = HTTPServer(configuration.http, row: worker.row) { files.respond(to: $0) }
                try await worker.serve(
                    handler: Service.secured(by: context, refusal: Service.httpRefusal) { server.handler(for: $0) }
                )
            }
        }
        try service.run(
            banner: { listeners, configuration in
                let scheme = configuration.tls == nil ? "http" : "https"
                return "Spork serves \(configuration.directory) at \(Service.places(listeners, scheme: scheme))"
            },
            say: started,
            report: report
        )
    }
}
