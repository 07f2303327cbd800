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
    /// Reads `--bind` and `--workers` from the command line, binds, and forks. What is wrong with the command line, or cannot be bound, is
    /// said in one line, and ends the process; `--help` is answered.
    ///
    /// - Parameters:
    ///   - configuration: limits and times of the connections.
    ///   - settings: how the processes are run, where the command line says nothing else.
    ///   - body: runs once in each worker, on its loop, before it serves. What it throws ends the worker, and a new one is tried.
    /// - Throws: what `Master.run` throws.
    public static func main(
        _ configuration: HTTPServer.Configuration = HTTPServer.Configuration(),
        settings: ServerSettings? = nil,
        _ body: @escaping @MainActor (Worker) async throws -> Router
    ) throws {
        let name = CommandLine.arguments.first.map { String($0.split(separator: "/").last ?? "") } ?? "server"
        let options: ServerOptions
        do { options = try ServerOptions(CommandLine.arguments.dropFirst(), settings) } catch {
            if error == .helpWanted {
                write(ServerOptions.help(for: name), to: STDOUT_FILENO)
                exit(0)
            }
            write("\(name): \(error); see '\(name) --help'\n", to: STDERR_FILENO)
            exit(2)
        }
        let listeners: ListenerSet
        do {
            listeners = try ListenerSet(
                options.addresses,
                standard: .loopback(port: 8000),
                settings: options.settings
            )
        } catch {
            write("\(name): \(error)\n", to: STDERR_FILENO)
            exit(1)
        }
        let report: (Master.Report) -> Void = { write("\(name): \($0)\n", to: STDERR_FILENO) }
        let master = Master(listeners: listeners, settings: options.settings, report: report) {
            { worker in
                let router = try await body(worker)
                if options.allowsTrace { router.allowsTrace = true }
                let server = HTTPServer(configuration, row: worker.row, router: router)
                try await worker.serve { server.handler(for: $0) }
            }
        }
        let banner = banner(name, listeners, options.settings.workers)
        try master.run { write(banner, to: STDOUT_FILENO) }
    }

    private static func banner(_ name: String, _ listeners: ListenerSet, _ workers: Int) -> String {
        let places = listeners.addresses.map { $0.isLocal ? "\($0)" : "http://\($0)" }
        return "\(name) serves at \(places.joined(separator: ", ")) · master \(getpid()) · "
            + "\(workers == 1 ? "1 worker" : "\(workers) workers") · Ctrl-C ends it\n"
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
