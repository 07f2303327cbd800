// spork echo as a library call: whatever a client sends comes back. The smallest real server on this house's floors: what it costs is what
// the loop, the coroutines and the streams cost.
import Glibc
import SporkLoop
import SporkNet
import SporkPrefork
import SporkTasks

/// A server that sends everything back, over TCP and Unix sockets.
public final class EchoServer {
    private let listeners: [Listener]
    private let workers: Int

    /// Binds the addresses; nothing is served yet.
    ///
    /// - Throws: `SystemError`, naming what could not be bound.
    public init(addresses: [SocketAddress], workers: Int) throws {
        listeners = try Listener.bind(addresses)
        self.workers = workers
    }

    /// Serves until a signal ends it; see `Master.run`.
    ///
    /// - Parameters:
    ///   - started: called once with a line for people: where, by whom.
    ///   - report: called with a line about anything an operator should know.
    public func run(started: (String) -> Void, report: @escaping (String) -> Void) throws {
        let master = Master(listeners: listeners, workers: workers, report: { report("\($0)") }) { worker in
            let echo = Echo(drain: worker.draining)
            spawn("drain") {
                try await worker.draining.wait()
                echo.interrupt()
            }
            try await worker.serve { try await echo.serve($0) }
        }
        try master.run { started(banner) }
    }

    private var banner: String {
        let places = listeners.map { listener in
            listener.address.isLocal ? "\(listener.address)" : "tcp://\(listener.address)"
        }
        let processes = workers == 1 ? "1 worker" : "\(workers) workers"
        return "Spork echoes at \(places.joined(separator: ", ")) · master \(getpid()) · \(processes) · Ctrl-C ends it"
    }
}

/// What a worker does with its connections.
private final class Echo {
    /// How much is read at once.
    private static let bufferSize = 64 * 1024

    // One for all connections of the worker: no bytes are in it while a coroutine is suspended.
    private let buffer: UnsafeMutableRawBufferPointer
    private let drain: Event
    private var streams: [ObjectIdentifier: SocketStream] = [:]

    init(drain: Event) {
        buffer = .allocate(byteCount: Self.bufferSize, alignment: 64)
        self.drain = drain
    }

    isolated deinit { buffer.deallocate() }

    /// Wakes those that wait for their clients.
    ///
    /// Nobody can tell whether a client that is silent has finished: what it has sent has come back, so this is the moment.
    func interrupt() {
        for stream in Array(streams.values) { stream.interruptReader() }
    }

    func serve(_ stream: SocketStream) async throws {
        let key = ObjectIdentifier(stream)
        streams[key] = stream
        defer { streams[key] = nil }
        // Nearly always everything is read at once, so waiting before the first byte and after each answer saves a system call.
        repeat { try await stream.waitUntilReadable() } while try await answer(stream)
    }

    // Out of line, as the write that has to wait is: an idle connection pays for every frame.
    @inline(never)
    private func answer(_ stream: SocketStream) async throws -> Bool {
        guard let count = try stream.tryRead(into: buffer) else { return !drain.isSet }
        let received = UnsafeRawBufferPointer(rebasing: buffer[..<count])
        let taken = try stream.tryWrite(received) ?? 0
        // Others read into the buffer while this one waits for its client to take more.
        if taken < count { try await stream.write(Array(received[taken...])) }
        return count > 0
    }
}
