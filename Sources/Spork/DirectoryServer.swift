// spork serve as a library call: binds, forks, serves a directory. What the command line does besides is parsing flags and
// printing lines.
import Glibc
import SporkHTTP
import SporkLoop
import SporkNet
import SporkPrefork
import SporkTasks

/// A server for the files of a directory.
public final class DirectoryServer {
    private let path: String
    private let directory: ServedDirectory
    private let listeners: ListenerSet
    private let settings: ServerSettings

    /// Opens the directory and binds the addresses; nothing is served yet.
    ///
    /// - Parameters:
    ///   - directory: what to serve. Nothing outside of it can be reached, by links neither.
    ///   - addresses: where to listen; without any, and without sockets from systemd, at 127.0.0.1:8000.
    ///   - settings: how the processes are run.
    /// - Throws: `SystemError`, naming what could not be opened or bound.
    public init(directory: String, addresses: [SocketAddress], settings: ServerSettings) throws {
        path = directory
        self.directory = try ServedDirectory(directory)
        listeners = try ListenerSet(addresses, standard: .loopback(port: 8000), settings: settings)
        self.settings = settings
    }

    /// Serves until a signal ends it; see `Master.run`.
    ///
    /// A reload opens the directory anew by its path: where that leads somewhere else now, that is served.
    ///
    /// - Parameters:
    ///   - started: called once with a line for people: what is served, where, by whom.
    ///   - report: called with a line about anything an operator should know.
    public func run(started: @escaping (String) -> Void, report: @escaping (String) -> Void) throws {
        let path = path
        let banner = banner
        let master = Master(listeners: listeners, settings: settings, report: { report("\($0)") }) {
            let directory = try ServedDirectory(path)
            return { worker in
                let files = FileService(directory)
                let server = HTTPServer(row: worker.row) { files.respond(to: $0) }
                try await worker.serve { server.handler(for: $0) }
            }
        }
        try master.run { started(banner) }
    }

    private var banner: String {
        let places = listeners.addresses.map { $0.isLocal ? "\($0)" : "http://\($0)" }
        let processes = settings.workers == 1 ? "1 worker" : "\(settings.workers) workers"
        return "Spork serves \(directory.path) at \(places.joined(separator: ", ")) · master \(getpid()) · \(processes)"
            + " · Ctrl-C ends it"
    }
}
