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
    private let directory: ServedDirectory
    private let listeners: [Listener]
    private let workers: Int

    /// Opens the directory and binds the addresses; nothing is served yet.
    ///
    /// - Parameters:
    ///   - directory: what to serve. Nothing outside of it can be reached, by links neither.
    ///   - addresses: where to listen.
    ///   - workers: how many processes serve.
    /// - Throws: `SystemError`, naming what could not be opened or bound.
    public init(directory: String, addresses: [SocketAddress], workers: Int) throws {
        self.directory = try ServedDirectory(directory)
        listeners = try Listener.bind(addresses)
        self.workers = workers
    }

    /// Serves until a signal ends it; see `Master.run`.
    ///
    /// - Parameters:
    ///   - started: called once with a line for people: what is served, where, by whom.
    ///   - report: called with a line about anything an operator should know.
    public func run(started: (String) -> Void, report: @escaping (String) -> Void) throws {
        let directory = directory
        let master = Master(listeners: listeners, workers: workers, report: { report("\($0)") }) { worker in
            let files = FileService(directory)
            let server = HTTPServer { files.respond(to: $0) }
            try await worker.serve { server.handler(for: $0) }
        }
        try master.run { started(banner) }
    }

    private var banner: String {
        let places = listeners.map { listener in
            listener.address.isLocal ? "\(listener.address)" : "http://\(listener.address)"
        }
        let processes = workers == 1 ? "1 worker" : "\(workers) workers"
        return "Spork serves \(directory.path) at \(places.joined(separator: ", ")) · master \(getpid()) · \(processes)"
            + " · Ctrl-C ends it"
    }
}
