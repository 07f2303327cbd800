// A worker as the code that runs in it sees it: its slot, the listeners it shares with its siblings, and the moment from
// which it has to finish. Made by the master in the child, after fork.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks

/// The process that runs a server's coroutines: one of the N that the master forked.
public final class Worker {
    /// The worker's place among its siblings, from 1.
    ///
    /// A replacement takes the slot of the one it replaces.
    public let slot: Int
    /// Which configuration it runs, counted from 1: a reload or an upgrade starts workers of a new one.
    public let generation: Int
    /// The sockets that it accepts from.
    public let listeners: [Listener]
    /// Happens when the worker shall finish what it has begun and end.
    public let draining = Event()
    /// Is called when logs that were moved away are to be opened again (USR1).
    public var onReopenLogs: () -> Void = {}

    /// Where it says how it is.
    package let row: ScoreboardRow
    /// Whether other workers take from the same queues.
    var sharesListeners = true
    /// Is called once, when the worker serves.
    var onReady: () -> Void = {}

    private let scoreboard: Scoreboard
    @exclusivity(unchecked) private var server: StreamServer?
    @exclusivity(unchecked) private var pause = AcceptPause(FairShare.pauses.shortest, atMost: FairShare.pauses.longest)

    init(slot: Int, generation: Int, listeners: [Listener], scoreboard: Scoreboard, row: Int) {
        (self.slot, self.generation, self.listeners) = (slot, generation, listeners)
        (self.scoreboard, self.row) = (scoreboard, scoreboard.row(row))
    }

    /// Connections that are being served.
    public var connections: Int { server?.connections ?? 0 }

    /// Whether the whole server is about to end: a balancer that asks should be told to send requests elsewhere, while this worker
    /// still serves what comes.
    public var isServerStopping: Bool { scoreboard.isStopping || draining.isSet }

    /// What all workers have counted since the server was started, those that have ended included.
    package var totals: Scoreboard.Counters { scoreboard.totals }

    /// Says that this worker serves.
    ///
    /// `serve` does so itself; only a body that accepts in another way has to.
    public func ready() {
        guard row.state == .booting else { return }
        row.state = .ready
        showTitle()
        onReady()
    }

    /// Accepts connections and runs `handle` for each in a coroutine of its own, until the worker drains; then returns when
    /// the last of them has ended.
    ///
    /// The connection is closed when `handle` returns or throws. A drain empties the accept queue before it closes
    /// this worker's hold on the listeners, so that nothing accepted by the kernel is lost. A worker that holds more than its share of
    /// the connections leaves new ones to its siblings for a while.
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

    /// How long a queue of its own is looked after in a drain: handshakes that the kernel has begun for it end there.
    private static let handshake: Duration = .seconds(1)

    private static func limits(_ connections: Int?) -> StreamServer.Limits {
        var limits = StreamServer.Limits()
        limits.connections = connections
        return limits
    }

    private func run(_ server: StreamServer) async throws {
        server.stepsBack = { [unowned self] in stepsBack() }
        server.onCount = { [row, unowned(unsafe) server] in
            row.show(open: server.connections, accepted: server.accepted)
        }
        server.onReturn = { [unowned self] in row.isListening = !draining.isSet }
        self.server = server
        spawn("drain") { [self] in
            try await draining.wait()
            if !sharesListeners, !scoreboard.isStopping { server.looksAfterQueues = Self.handshake }
            server.stop()
        }
        spawn("ready") { [self] in
            // The accepting coroutines have begun to wait by then, and the loop has turned.
            try await sleep(for: .milliseconds(1))
            ready()
        }
        try await server.run()
    }

    /// Begins to finish.
    func drain() {
        guard !draining.isSet else { return }
        row.isListening = false
        row.state = .draining
        showTitle()
        draining.set()
    }

    /// Has signals call what they mean here; the watchers have to be kept.
    func watchSignals() -> [SignalWatcher] {
        [
            SignalWatcher(SIGTERM) { MainActor.assumeIsolated { self.drain() } },
            SignalWatcher(SIGURG) { MainActor.assumeIsolated { self.server?.comeBack() } },
            SignalWatcher(SIGQUIT) { _exit(0) },
            SignalWatcher(SIGUSR1) { MainActor.assumeIsolated { self.onReopenLogs() } },
        ]
    }

    func showTitle() { ProcessTitle.set("spork: worker \(slot), generation \(generation), \(row.state)") }

    /// How long to leave new connections to siblings, zero to let them go first; nil to go on.
    private func stepsBack() -> Duration? {
        let connections = connections
        var place = FairShare.Place.same
        if sharesListeners, connections > FairShare.slack {
            // Said before looking: of two that look at one another only one leaves.
            row.isListening = false
            place = FairShare.place(with: connections, siblings: siblings)
        }
        // Who is called back looks at once; should it be unable to, this one returns by itself.
        if place == .aside || (place == .alone && callBack()) { return pause.next() }
        pause.reset()
        row.isListening = !draining.isSet
        return place == .last ? .zero : nil
    }

    /// Has the sibling with the fewest connections take new ones again.
    ///
    /// - Returns: whether there is one that stands aside.
    private func callBack() -> Bool {
        let others = (0..<scoreboard.usedRows).lazy.filter { $0 != self.row.index }.map { self.scoreboard.row($0) }
        let rested = others.filter { $0.state == .ready && !$0.isListening }
        guard let row = rested.min(by: { $0.openConnections < $1.openConnections }), row.pid > 0 else { return false }
        // Ignored by whoever does not know it: the number may be another process's by now.
        return Glibc.kill(row.pid, SIGURG) == 0
    }

    private var siblings: some Sequence<FairShare.Sibling> {
        let (scoreboard, own) = (scoreboard, row.index)
        return (0..<scoreboard.usedRows).lazy.filter { $0 != own }.map { scoreboard.row($0) }
            .filter { $0.state == .ready }
            .map { FairShare.Sibling(connections: $0.openConnections, isListening: $0.isListening) }
    }
}
