// Accepting connections and having each served: what gevent's StreamServer is. Worker serves with it, and so do programs without a master.
// One coroutine serves all connections for which something has come, as far as nothing has to be waited for; the others have one of their own.
//
// Invariants: a connection is closed when its handler has ended, however that is; while no more connections are wanted the listeners are
// out of the epoll set, so that a sibling is woken instead.
import Glibc
import SporkLoop
import SporkTasks

/// A server of streams: one coroutine a connection.
public final class StreamServer {
    /// How a server treats its listeners; each has a default.
    public struct Limits: Sendable {
        /// How many connections are served at once; nil for any number.
        ///
        /// More wait in the kernel's queue, or are taken by another process. With several listeners it may be exceeded by one for each
        /// that was woken together with another.
        public var connections: Int?
        /// How many connections one listener may be asked for before other coroutines run.
        ///
        /// One, so that processes that were woken for the same burst each get their share of it.
        public var acceptsInTurn = 1
        /// How many steps of others, connections and coroutines, in a turn of the loop allow for one connection more in the next.
        ///
        /// One a turn would leave newcomers waiting where much is served in each turn: ten thousand would take minutes to come in.
        public var stepsForEachAccept = 8
        /// The most that become of that.
        public var mostAcceptsInTurn = 16
        /// How many silent connections keep their coroutine, where the handler lets go of it.
        ///
        /// Making one anew takes a fifth of a microsecond for each burst; keeping one takes two kilobytes.
        public var waitingCoroutines = 256
        /// How long to wait after the system had no descriptor or memory for a connection, doubling each time it happens again.
        public var shortestPause: Duration = .milliseconds(10)
        /// The longest that this becomes.
        public var longestPause: Duration = .seconds(1)

        /// The defaults.
        public init() {}
    }

    /// What it accepts from.
    public let listeners: [Listener]
    /// Connections that are being served.
    public var connections: Int { served.count }
    /// Connections that were accepted since the beginning.
    @exclusivity(unchecked) public private(set) var accepted = 0
    /// Is told when no connection can be accepted for a while; the server goes on by itself.
    public var onTrouble: (any Error) -> Void = { _ in }
    /// Is told when a connection has begun or ended.
    @exclusivity(unchecked) package var onCount: () -> Void = {}
    /// Is asked before each wait for a connection how long to leave new ones to other processes; zero to go to the end of their line, nil to
    /// stay where this process is.
    @exclusivity(unchecked) package var stepsBack: () -> Duration? = { nil }

    /// How long after `stop` connections are still taken that come to the listeners: where each process has a queue of its own the kernel
    /// may be in the midst of a handshake for this one's.
    package var looksAfterQueues: Duration = .zero
    /// Is told when this process goes on after it has left new connections to others.
    package var onReturn: () -> Void = {}

    /// How long connections are served in one go before coroutines have their turn, in seconds.
    private static let longestSlice = 0.001
    /// How long before descriptors and timers are looked at: newcomers, signals and whoever sleeps wait for that.
    ///
    /// More often would cost more where thousands of connections wait: each look finds all of them.
    private static let longestTurn = 0.004

    private let limits: Limits
    private let handler: (SocketStream) -> any StreamHandler
    private let stopping = Event()
    private let idle = Event()
    private let room = Event()
    private let called = Event()
    /// Connections for which something has come.
    nonisolated(unsafe) let calls = ConnectionCalls()
    // From the beginning of `run` to its end.
    private var serving: Coroutine<Void>?
    // Bursts that began without a coroutine of their own.
    @exclusivity(unchecked) private var bursts: UInt64 = 0
    // Each knows its place, and the last one takes the place of one that has ended.
    @exclusivity(unchecked) private var served: [ServedConnection] = []
    /// Connections that wait for their clients to close.
    let lingering = LingeringConnections()
    /// Silent connections that have kept their coroutine.
    @exclusivity(unchecked) var waitingCoroutines = 0

    /// A server that runs `handle` for each connection; nothing is accepted yet.
    ///
    /// The connection is closed when `handle` returns or throws; what it throws is its own business.
    public convenience init(
        _ listeners: [Listener],
        limits: Limits = Limits(),
        handle: @escaping @MainActor (SocketStream) async throws -> Void
    ) {
        self.init(listeners, limits: limits) { stream in WholeConnectionHandler(stream, handle) }
    }

    /// A server that has each connection served by a handler of its own, which is asked only while there is something to do.
    package init(
        _ listeners: [Listener],
        limits: Limits = Limits(),
        handler: @escaping (SocketStream) -> any StreamHandler
    ) {
        self.listeners = listeners
        self.limits = limits
        self.handler = handler
        idle.set()
    }

    /// Accepts and serves until `stop` is called, then returns when the last connection has ended.
    ///
    /// Stopping empties the kernel's queues before this process's hold on the listeners is closed, so that nothing the kernel has accepted is
    /// lost. Cancelling the caller closes the listeners and cancels the connections.
    ///
    /// - Throws: `CancellationError`; `SystemError` when a listener cannot be used any more.
    public func run() async throws {
        let loops = listeners.map { listener in
            spawn("accept \(listener.address)") { try await self.acceptConnections(from: listener) }
        }
        beginServing()
        defer { serving.take()?.cancel() }
        do {
            let failed = Promise<Void>()
            for loop in loops {
                loop.onCompletion { loop in if case .failed(let error) = loop.state { failed.fail(error) } }
            }
            try await select(.wait(for: stopping) {}, .value(of: failed) {})
            for connection in served { connection.drain() }
            let deadline = Deadline.fromNow(looksAfterQueues)
            while !deadline.isOver {
                for listener in listeners { try await emptyQueue(of: listener) }
                try await sleep(for: .milliseconds(10))
            }
            for listener in listeners {
                try await emptyQueue(of: listener)
                listener.close()
            }
            try await idle.wait()
        } catch {
            for listener in listeners { listener.close() }
            for connection in served { connection.cancel() }
            for loop in loops { loop.cancel() }
            throw error
        }
    }

    // What the kernel has accepted would be reset with the last hold on the listener. The limits are kept here, too.
    private func emptyQueue(of listener: Listener) async throws {
        var pause = AcceptPause(limits.shortestPause, atMost: limits.longestPause)
        while true {
            do {
                while connections >= limits.connections ?? .max {
                    room.clear()
                    try await room.wait()
                }
                guard let stream = try listener.tryAccept() else { break }
                start(stream)
            } catch let error as SystemError where !error.isFatalToListener {
                onTrouble(error)
                try await sleep(for: pause.next())
            }
        }
    }

    /// Lets `run` finish what has begun and return.
    ///
    /// - Parameter limit: how long connections may take; those that are left are cancelled then. Nil for as long as they need.
    public func stop(within limit: Duration? = nil) {
        stopping.set()
        guard let limit else { return }
        spawn("stop a server") { [self] in
            guard try await !idle.wait(within: limit) else { return }
            for connection in served { connection.cancel() }
        }
    }

    /// Ends a time in which new connections are left to others.
    package func comeBack() { called.set() }

    private func acceptConnections(from listener: Listener) async throws {
        var pause = AcceptPause(limits.shortestPause, atMost: limits.longestPause)
        var last = (turn: EventLoop.turns, steps: EventLoop.jobsRun + bursts)
        while !stopping.isSet {
            do {
                while connections >= limits.connections ?? .max {
                    listener.pause()
                    room.clear()
                    try await room.wait()
                }
                guard let stream = try await next(from: listener) else { return }
                start(stream)
                let now = (turn: EventLoop.turns, steps: EventLoop.jobsRun + bursts)
                let steps = now.turn == last.turn + 1 ? now.steps - last.steps : 0
                let earned = Int(steps) / limits.stepsForEachAccept
                last = now
                let count = max(limits.acceptsInTurn, min(limits.mostAcceptsInTurn, earned))
                for _ in 1..<count where connections < limits.connections ?? .max {
                    guard let another = try listener.tryAccept() else { break }
                    start(another)
                }
                pause.reset()
            } catch let error as SystemError where !error.isFatalToListener {
                // Out of descriptors or memory. Trying again at once would only burn the processor; the kernel keeps the queue meanwhile.
                onTrouble(error)
                listener.pause()
                try await sleep(for: pause.next())
            }
        }
    }

    // After a pause one that waits is taken: whoever it was left to may be unable to.
    private func next(from listener: Listener) async throws -> SocketStream? {
        if let pause = stepsBack() {
            // Who joins anew stands last.
            listener.pause()
            if pause > .zero {
                called.clear()
                _ = try await called.wait(within: pause)
                onReturn()
                if !stopping.isSet, let stream = try listener.tryAccept() { return stream }
            }
        }
        return stopping.isSet ? nil : try await listener.accept()
    }

    // One coroutine for all of them: what a change of coroutines costs is shared. Handlers that never suspend run in it, so it may be cancelled by
    // one; then there has to be another.
    private func beginServing() {
        let coroutine = spawn("connections") { [self] in try await serveCalls() }
        coroutine.onCompletion { [weak self] _ in if let self, serving != nil { beginServing() } }
        serving = coroutine
    }

    private func serveCalls() async throws {
        var due: [ServedConnection] = []
        while true {
            try await calls.take(&due)
            var sliceBegan = EventLoop.recently
            var turnBegan = sliceBegan
            for index in due.indices {
                Unmanaged.passUnretained(due[index]).borrow { $0.serveAtOnce() }
                bursts += 1
                let now = EventLoop.recently
                if now - sliceBegan < Self.longestSlice { continue }
                // Others than connections have something to do, too.
                let isLong = now - turnBegan >= Self.longestTurn
                if isLong { EventLoop.endTurn() }
                await EventLoop.stepBack()
                sliceBegan = EventLoop.recently
                if isLong { turnBegan = sliceBegan }
            }
            due.removeAll(keepingCapacity: true)
        }
    }

    private func start(_ stream: SocketStream) {
        accepted += 1
        idle.clear()
        let connection = ServedConnection(stream, handler(stream), of: self, place: served.count)
        served.append(connection)
        onCount()
        if stopping.isSet { connection.drain() }
        calls.add(connection)
    }

    /// Forgets a connection that has ended.
    func ended(_ connection: ServedConnection) {
        let last = served.removeLast()
        if last !== connection {
            last.place = connection.place
            served[connection.place] = last
        }
        onCount()
        room.set()
        if served.isEmpty { idle.set() }
    }

    /// Whether one more silent connection may keep its coroutine.
    var mayWait: Bool { waitingCoroutines < limits.waitingCoroutines }
}

extension SystemError {
    /// Whether a listener that has met with this can never accept again.
    fileprivate nonisolated var isFatalToListener: Bool { [EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP].contains(number) }
}
