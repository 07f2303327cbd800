// Permits for something of which there is only so much. Fair: a permit that is given back goes to who has waited longest,
// never to who happens to ask next.
import SporkLoop

/// A number of permits that coroutines take and give back.
public nonisolated final class Semaphore {
    /// Permits that nobody has.
    public private(set) var available: Int

    private let waiters = WaitList()

    /// A semaphore with this many permits.
    public init(permits: Int) {
        precondition(permits >= 0, "a semaphore cannot have fewer permits than none")
        available = permits
    }

    /// Counters of a semaphore.
    public struct Statistics: Sendable {
        /// Permits that nobody has.
        public var available: Int
        /// How many coroutines wait for one.
        public var waiting: Int
    }

    /// What there is to say about it now.
    public var statistics: Statistics { Statistics(available: available, waiting: waiters.count) }

    /// Takes a permit, suspending until there is one.
    ///
    /// - Throws: `CancellationError` when the coroutine is cancelled while it waits; it has no permit then.
    public func acquire() async throws {
        try await take(within: nil).check(nil)
    }

    /// Takes a permit, waiting for it a limited time.
    ///
    /// - Returns: whether it has got one.
    public func acquire(within limit: Duration) async throws -> Bool {
        let outcome = await take(within: limit)
        if outcome == .cancelled { throw CancellationError() }
        return outcome == .woken
    }

    /// Takes a permit if there is one.
    public func tryAcquire() -> Bool {
        guard available > 0 else { return false }
        available -= 1
        return true
    }

    /// Gives a permit back, or adds one.
    public func release() {
        if !waiters.wakeFirst() { available += 1 }
    }

    /// Runs `body` with a permit.
    public func withPermit<Success>(_ body: () async throws -> Success) async throws -> Success {
        try await acquire()
        defer { release() }
        return try await body()
    }

    /// Takes a permit, or says why there is none.
    func take(within limit: Duration?) async -> Wait.Outcome {
        if tryAcquire() { return .woken }
        return await Wait.park(in: waiters, until: .fromNow(limit), for: Wait.Reason("acquire a permit"))
    }

    /// Sends away those who wait now.
    func closeWaits() { waiters.wakeAll(.closed) }

    /// Joins those who wait, as one branch of a select.
    func enlist(_ wait: Wait) { wait.begin(waiters, .never, Wait.Reason("acquire a permit")) }
}
