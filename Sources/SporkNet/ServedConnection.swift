// A connection of a server, from its accept to its close. While its client is silent it is parked: the loop watches the socket, and an
// idle connection costs a few hundred bytes instead of two thousand. When something comes its server calls it, among all others for
// which something has come, and a coroutine is made for it only where something has to be waited for.
//
// Invariant: it is parked, or waits for its server's call, or lingers, or a coroutine runs for it; who serves it is called by one at a time.
import SporkLoop
import SporkTasks

/// Who serves one connection, burst by burst.
package protocol StreamHandler: AnyObject {
    /// Serves what has come, and returns when there is nothing to do.
    ///
    /// What it throws ends the connection.
    func serveBurst() async throws -> StreamBurst

    /// Serves what has come where nothing has to be waited for.
    ///
    /// What it throws ends the connection.
    /// - Returns: nil when `serveBurst` has to go on.
    func tryServeBurst() throws(StreamError) -> StreamBurst?

    /// Whether the coroutine that has served a burst is to be kept for the next one, while there are not too many.
    var keepsCoroutine: Bool { get }

    /// The connection has ended before a coroutine could go on with what `tryServeBurst` had begun.
    func abandon()

    /// Asks it to finish what has begun, and no more; it is called for another burst afterwards where it waits for its client.
    func drain()
}

extension StreamHandler {
    package func tryServeBurst() throws(StreamError) -> StreamBurst? { nil }
    package var keepsCoroutine: Bool { true }
    package func abandon() {}
}

/// What becomes of a connection after a burst.
package enum StreamBurst {
    /// It is closed.
    case close
    /// The client may be silent until then; when something comes the handler is called again.
    case wait(until: Deadline)
    /// It is closed when the client has closed, or then; what still comes is dropped. The handler has ended its own direction.
    case linger(until: Deadline)
}

/// One connection of a `StreamServer`.
final class ServedConnection {
    let stream: SocketStream
    private let handler: any StreamHandler
    // Held until the connection has ended: whoever runs the server may have let go of it.
    private let server: StreamServer
    @exclusivity(unchecked) private var coroutine: AnyCoroutine?
    // Between bursts: then, and only then, waking who reads is this object's business.
    @exclusivity(unchecked) private var isWaiting = false
    @exclusivity(unchecked) private var hasEnded = false
    /// Where the server finds it among its connections.
    @exclusivity(unchecked) var place: Int

    init(_ stream: SocketStream, _ handler: any StreamHandler, of server: StreamServer, place: Int) {
        self.stream = stream
        self.handler = handler
        self.server = server
        self.place = place
    }

    /// Serves what has come, with a coroutine where something has to be waited for.
    func serveAtOnce() {
        // It may have been cancelled since it was called.
        guard !hasEnded else { return }
        isWaiting = false
        do throws(StreamError) {
            switch try handler.tryServeBurst() {
            case nil: start()
            case .close: end()
            case .linger(let end): server.lingering.add(self, until: end)
            case .wait(let end):
                isWaiting = true
                if !stream.observeReading(until: end, self) { start() }
            }
        } catch {
            end()
        }
    }

    /// Makes a coroutine that serves until the client is silent.
    private func start() {
        isWaiting = false
        let coroutine = spawn("connection") { [self] in if await !serve() { end() } }
        // One that is cancelled before it has started never runs.
        self.coroutine = coroutine
    }

    /// Has what was begun finished, and no more.
    func drain() {
        handler.drain()
        if isWaiting { stream.interruptReader() }
    }

    func cancel() {
        guard let coroutine, coroutine.hasStarted else { return end() }
        coroutine.cancel()
    }

    // True when the connection is parked.
    private func serve() async -> Bool {
        do {
            while true {
                let deadline: Deadline
                switch try await handler.serveBurst() {
                case .close: return false
                case .wait(let end): deadline = end
                case .linger(let end):
                    coroutine = nil
                    server.lingering.add(self, until: end)
                    return true
                }
                // What comes later would be served by nobody.
                if AnyCoroutine.current?.isCancelled == true { return false }
                isWaiting = true
                if !(handler.keepsCoroutine && server.mayWait), stream.observeReading(until: deadline, self) {
                    coroutine = nil
                    return true
                }
                server.waitingCoroutines += 1
                defer { server.waitingCoroutines -= 1 }
                try await stream.waitUntilReadable(until: deadline)
                isWaiting = false
            }
        } catch {
            // What a connection's end means is its handler's business; here it only has to be counted.
        }
        return false
    }

    /// Closes the connection; harmless when repeated.
    func end() {
        guard !hasEnded else { return }
        hasEnded = true
        if coroutine?.hasStarted != true { handler.abandon() }
        coroutine?.cancel()
        coroutine = nil
        stream.close()
        server.ended(self)
    }
}

extension ServedConnection: ReadinessObserver {
    nonisolated func readinessEnded(_ outcome: Wait.Outcome) {
        if outcome == .woken { return Unmanaged.passUnretained(server.calls).borrow { $0.add(self) } }
        MainActor.assumeIsolated { end() }
    }
}

/// A handler that is one coroutine from the connection's beginning to its end.
final class WholeConnectionHandler: StreamHandler {
    private let stream: SocketStream
    private let handle: @MainActor (SocketStream) async throws -> Void

    init(_ stream: SocketStream, _ handle: @escaping @MainActor (SocketStream) async throws -> Void) {
        self.stream = stream
        self.handle = handle
    }

    func serveBurst() async throws -> StreamBurst {
        try await handle(stream)
        return .close
    }

    // Nobody but the handler knows what it has begun; it has the worker's event to look at.
    func drain() {}
}
