// At most so many coroutines at once: a spawn waits for a place. And all of them can be waited for, or cancelled.
import SporkLoop

/// Coroutines of which only so many run at a time.
public final class CoroutinePool {
    private let places: Semaphore?
    private var running: [UInt64: AnyCoroutine] = [:]
    private var started = 0
    private let idle = Event()
    private var isClosing = false

    /// A pool of this many places; nil for any number.
    ///
    /// In one of none nothing ever starts.
    public init(limit: Int? = nil) {
        places = limit.map { Semaphore(permits: $0) }
        idle.set()
    }

    /// How many run.
    public var count: Int { running.count }

    /// Whether a spawn would wait.
    public var isFull: Bool { places?.available == 0 }

    /// Counters of a pool.
    public struct Statistics: Sendable {
        /// How many run.
        public var running: Int
        /// How many have been started since the beginning.
        public var started: Int
        /// How many spawns wait for a place.
        public var waiting: Int
    }

    /// What there is to say about it now.
    public var statistics: Statistics {
        Statistics(running: running.count, started: started, waiting: places?.statistics.waiting ?? 0)
    }

    /// Starts a coroutine, suspending while the pool is full.
    ///
    /// - Throws: `CancellationError` when the caller is cancelled while it waits, or the pool is drained; nothing is started then.
    @discardableResult
    public func spawn<Success>(
        _ name: String? = nil,
        file: StaticString = #fileID,
        line: UInt = #line,
        _ body: @escaping @MainActor () async throws -> Success
    ) async throws -> Coroutine<Success> {
        if isClosing { throw CancellationError() }
        let outcome = await places?.take(within: nil) ?? .woken
        guard outcome == .woken else { throw CancellationError() }
        return start(name, file, line, body)
    }

    /// Starts a coroutine if there is a place.
    public func trySpawn<Success>(
        _ name: String? = nil,
        file: StaticString = #fileID,
        line: UInt = #line,
        _ body: @escaping @MainActor () async throws -> Success
    ) -> Coroutine<Success>? {
        guard !isClosing, places?.tryAcquire() ?? true else { return nil }
        return start(name, file, line, body)
    }

    /// Waits until none runs.
    public func join() async throws { try await idle.wait() }

    /// Waits a limited time until none runs, then cancels those that do, and waits for them.
    ///
    /// Those that wait for a place when the time is over, and all that come until the drain is over, are refused with `CancellationError`.
    ///
    /// - Returns: how many had to be cancelled.
    @discardableResult
    public func drain(within limit: Duration) async throws -> Int {
        if try await idle.wait(within: limit) { return 0 }
        let cancelled = running.count
        isClosing = true
        defer { isClosing = false }
        places?.closeWaits()
        cancelAll()
        try await idle.wait()
        return cancelled
    }

    /// Cancels all that run.
    public func cancelAll() {
        for coroutine in Array(running.values) { coroutine.cancel() }
    }

    private func start<Success>(
        _ name: String?,
        _ file: StaticString,
        _ line: UInt,
        _ body: @escaping @MainActor () async throws -> Success
    ) -> Coroutine<Success> {
        let coroutine = Coroutine(name: name, file: file, line: line, body)
        running[coroutine.id] = coroutine
        started += 1
        idle.clear()
        coroutine.onCompletion { [self] coroutine in
            running[coroutine.id] = nil
            places?.release()
            if running.isEmpty { idle.set() }
        }
        coroutine.schedule()
        return coroutine
    }
}
