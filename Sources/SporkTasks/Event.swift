// Something that happens once, or until it is cleared, and that any number of coroutines wait for: a drain that has
// begun, the last connection that has ended.

/// A flag that coroutines can wait for.
public final class Event {
    /// Whether the event has happened and was not cleared since.
    public private(set) var isSet = false

    private var waiters: [Int: UnsafeContinuation<Void, any Error>] = [:]
    private var nextWaiter = 0

    /// An event that has not happened.
    public init() {}

    /// Lets the event happen: wakes all who wait, in the order in which they came, also when it is cleared right after.
    public func set() {
        isSet = true
        let woken = waiters.sorted { $0.key < $1.key }
        waiters = [:]
        for (_, waiter) in woken { waiter.resume() }
    }

    /// Takes it back: those who wait from now on wait for the next `set`.
    public func clear() { isSet = false }

    /// Suspends until the event has happened; returns at once when it has.
    ///
    /// - Throws: `CancellationError` when the coroutine is cancelled while it waits.
    public func wait() async throws {
        if isSet { return }
        let key = nextWaiter
        nextWaiter += 1
        try await withTaskCancellationHandler {
            try Task.checkCancellation()
            try await withUnsafeThrowingContinuation { waiters[key] = $0 }
        } onCancel: {
            MainActor.assumeIsolated { self.waiters.removeValue(forKey: key)?.resume(throwing: CancellationError()) }
        }
    }
}
