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
    public var connections: Int { server?.connections ?? 0 }
    private var server: StreamServer?

    init(slot: Int, listeners: [Listener]) {
        self.slot = slot
        self.listeners = listeners
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
        try await run(StreamServer(listeners, limits: Self.limits(limit), handle: handle))
    }

    /// The same for handlers that need no coroutine while their clients are silent.
    package func serve(
        atMost limit: Int? = nil,
        handler: @escaping (SocketStream) -> any StreamHandler
    ) async throws {
        try await run(StreamServer(listeners, limits: Self.limits(limit), handler: handler))
    }

    private static func limits(_ connections: Int?) -> StreamServer.Limits {
        var limits = StreamServer.Limits()
        limits.connections = connections
        return limits
    }

    private func run(_ server: StreamServer) async throws {
        self.server = server
        spawn("stop accepting") { [draining] in
            try await draining.wait()
            server.stop()
        }
        try await server.run()
    }
}
