// The way to write a service: a program's main.swift calls Server.main, which reads the command line, forks the workers, and serves what the
// body returns in each of them.
import Glibc
import SporkHTTP
import SporkLoop
import SporkNet
import SporkPrefork

/// A service over HTTP, from as many workers as there are processors.
public enum Server {
    /// Serves what `body` returns until a signal ends it.
    ///
    /// Reads the flags of `spork serve` from the command line, `SPORK_` variables and the file that `--config` names; binds, and forks. What is
    /// wrong with them, or cannot be bound, is said in one line, and ends the process: with exit code 2 when it is the command line, else with
    /// 1. `--help` is answered, and `--check` shows what holds.
    ///
    /// - Parameters:
    ///   - configuration: limits and times of the connections, where nobody says anything else.
    ///   - settings: how the processes are run, where nobody says anything else.
    ///   - body: runs once in each worker, on its loop, before it serves. What it throws ends the worker, and a new one is tried.
    /// - Throws: what `Master.run` throws.
    public static func main(
        _ configuration: HTTPServer.Configuration = HTTPServer.Configuration(),
        settings: ServerSettings? = nil,
        _ body: @escaping @MainActor (Worker) async throws -> Router
    ) throws {
        let name = CommandLine.arguments.first.map { String($0.split(separator: "/").last ?? "") } ?? "server"
        var defaults = ServiceConfiguration()
        defaults.http = configuration
        if let settings { (defaults.processes, defaults.workers) = (settings, settings.workers) }
        let standard = SocketAddress.loopback(port: 8000)
        do {
            let flags = try ServiceFlags(CommandLine.arguments.dropFirst(), Setting.ofService)
            if flags.wantsHelp {
                write(ServiceFlags.help(for: name, Setting.ofService, defaults: defaults), to: STDOUT_FILENO)
                exit(0)
            }
            let source = ConfigurationSource(
                Setting.ofService,
                defaults: defaults,
                flags: flags.values,
                path: flags.path
            )
            if flags.wantsCheck {
                let (effective, _) = try source.effective()
                try Service.check(effective.values)
                write(effective.text(standard: standard), to: STDOUT_FILENO)
                exit(0)
            }
            let protocols = Service.httpProtocols
            let service = Service(source, standard: standard, protocols: protocols) { configuration, context in
                { worker in
                    let router = try await body(worker)
                    if configuration.allowsTrace { router.allowsTrace = true }
                    let server = HTTPServer(configuration.http, row: worker.row, router: router)
                    try await worker.serve(
                        handler: Service.secured(by: context, refusal: Service.httpRefusal) { server.handler(for: $0) }
                    )
                }
            }
            try service.run(
                banner: { listeners, configuration in
                    let scheme = configuration.tls == nil ? "http" : "https"
                    return "\(name) serves at \(Service.places(listeners, scheme: scheme))"
                },
                say: { write("\($0)\n", to: STDOUT_FILENO) },
                report: { write("\(name): \($0)\n", to: STDERR_FILENO) }
            )
        } catch {
            let isMisuse = (error as? ConfigurationError)?.isMisuse == true
            write("\(name): \(error)\(isMisuse ? "; see '\(name) --help'" : "")\n", to: STDERR_FILENO)
            exit(isMisuse ? 2 : 1)
        }
    }

    // Unbuffered: nothing is left to be written twice after a fork.
    private static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, UnsafeBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return }
            }
        }
    }
}
