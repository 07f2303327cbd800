// Something that happens once, or until it is cleared, and that any number of coroutines wait for: a drain that has
// begun, the last connection that has ended.
import SporkLoop

/// A flag that coroutines can wait for.
public nonisolated final class Event {
    /// Whether the event has happened and was not cleared since.
    @exclusivity(unchecked) public private(set) var isSet = false

    private let waiters = WaitList()
    // Those that were woken and have not run yet: who comes later has to stay behind them.
    private var woken = 0

    /// An event that has not happened.
    public init() {}

    /// Counters of an event.
    public struct Statistics: Sendable {
        /// How many coroutines wait.
        public var waiting: Int
    }

    /// What there is to say about it now.
    public var statistics: Statistics { Statistics(waiting: waiters.count) }

    /// Lets the event happen: wakes all who wait, in the order in which they came, also when it is cleared right after.
    public func set() {
        isSet = true
        // One by one: waking a branch of a select takes its other branches out of the list.
        while waiters.wakeFirst() { woken += 1 }
    }

    /// Takes it back: those who wait from now on wait for the next `set`.
    public func clear() { isSet = false }

    /// Suspends until the event has happened.
    ///
    /// Returns without suspending when it has, unless others who came before have still to run.
    ///
    /// - Throws: `CancellationError` when the coroutine is cancelled while it waits.
    public func wait() async throws { _ = try await wait(until: .never) }

    /// Suspends until the event has happened, a limited time.
    ///
    /// - Returns: whether it has.
    /// - Throws: `CancellationError` when the coroutine is cancelled while it waits.
    public func wait(within limit: Duration) async throws -> Bool { try await wait(until: .fromNow(limit)) }

    private func wait(until deadline: Deadline) async throws -> Bool {
        if isSet {
            if woken > 0 { await EventLoop.stepBack() }
            return true
        }
        switch await Wait.park(in: waiters, until: deadline, for: Wait.Reason("see an event")) {
        case .woken, .closed:
            woken -= 1
            return true
        case .timedOut: return false
        case .cancelled: throw CancellationError()
        }
    }

    /// Joins those who wait, as one branch of a select.
    func enlist(_ wait: Wait) { wait.begin(waiters, .never, Wait.Reason("see an event")) }

    /// A branch of a select that was woken has run.
    func branchRan() { woken -= 1 }
}
