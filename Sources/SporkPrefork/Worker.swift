// A worker as the code that runs in it sees it: its slot, the listeners it shares with its siblings, and the moment from
// which it has to finish. Made by the master in the child, after fork.
import SporkLoop
import SporkNet
import SporkTasks

/// The process that runs a server's coroutines: one of the N that the master forked.
public final class Worker {
    /// The worker's place among its siblings, from 1.
    ///
    /// A replacement takes the slot of the one it replaces.
    public let slot: Int
    /// The sockets that all workers accept from.
    public let listeners: [Listener]
    /// Happens when the worker shall finish what it has begun and end.
    public let draining = Event()

    /// Connections that are being served.
    public private(set) var connections = 0
    private let idle = Event()
    private let room = Event()
    private var mostConnections = Int.max

    init(slot: Int, listeners: [Listener]) {
        self.slot = slot
        self.listeners = listeners
        idle.set()
    }

    /// Accepts connections and runs `handle` for each in a coroutine of its own, until the worker drains; then returns when
    /// the last of them has ended.
    ///
    /// The connection is closed when `handle` returns or throws. A drain empties the accept queue before it closes
    /// this worker's hold on the listeners, so that nothing accepted by the kernel is lost.
    ///
    /// - Parameter limit: how many connections are served at once; nil for any number. More wait in the kernel's queue, or
    ///   for another worker. With several listeners it may be exceeded by one for each that was woken together with another.
    public func serve(
        atMost limit: Int? = nil,
        _ handle: @escaping @MainActor (SocketStream) async throws -> Void
    ) async throws {
        mostConnections = limit ?? .max
        for listener in listeners {
            spawn("accept \(listener.address)") { await self.acceptConnections(from: listener, handle) }
        }
        try await draining.wait()
        for listener in listeners {
            while let stream = try? listener.tryAccept() { start(stream, handle) }
            listener.close()
        }
        try await idle.wait()
    }

    // One connection a turn: siblings that were woken for the same burst get their share of it.
    private func acceptConnections(
        from listener: Listener,
        _ handle: @escaping @MainActor (SocketStream) async throws -> Void
    ) async {
        var pause = AcceptPause()
        while !draining.isSet {
            do {
                while connections >= mostConnections {
                    // Paused, because a listener that is watched swallows wake-ups that are meant for a sibling.
                    listener.pause()
                    room.clear()
                    try await room.wait()
                }
                guard let stream = try await listener.accept() else { return }
                pause.reset()
                start(stream, handle)
            } catch is CancellationError {
                return
            } catch {
                // Out of descriptors or memory. Trying again at once would only burn the processor; the kernel keeps
                // the queue meanwhile.
                listener.pause()
                try? await sleep(for: pause.next())
            }
        }
    }

    private func start(_ stream: SocketStream, _ handle: @escaping @MainActor (SocketStream) async throws -> Void) {
        connections += 1
        idle.clear()
        spawn("connection") { [self] in
            // What a connection's end means is its handler's business; here it only has to be counted.
            try? await handle(stream)
            stream.close()
            connections -= 1
            room.set()
            if connections == 0 { idle.set() }
        }
    }
}

/// How long to wait before accepting again after a failure: 10 ms, doubling to 1 s.
struct AcceptPause {
    private var milliseconds = 10

    mutating func next() -> Duration {
        defer { milliseconds = min(1000, milliseconds * 2) }
        return .milliseconds(milliseconds)
    }

    mutating func reset() { milliseconds = 10 }
}
