// A value that comes later, once, for any number of coroutines that wait for it. What callbacks hand to coroutines; on the loop's
// thread, like everything here.
import SporkLoop

/// A value that somebody will provide.
public nonisolated final class Promise<Value> {
    /// The value or the error, once it is there.
    public private(set) var result: Result<Value, any Error>?

    private let waiters = WaitList()

    /// A promise that is not kept yet.
    public init() {}

    /// Counters of a promise.
    public struct Statistics: Sendable {
        /// How many coroutines wait.
        public var waiting: Int
    }

    /// What there is to say about it now.
    public var statistics: Statistics { Statistics(waiting: waiters.count) }

    /// Provides the value and wakes all who wait.
    ///
    /// - Returns: false, changing nothing, when there was a value or an error before.
    @discardableResult
    public func fulfill(_ value: Value) -> Bool { settle(.success(value)) }

    /// Provides an error and wakes all who wait.
    ///
    /// - Returns: false, changing nothing, when there was a value or an error before.
    @discardableResult
    public func fail(_ error: any Error) -> Bool { settle(.failure(error)) }

    /// The value, waiting for it; every caller gets the same.
    ///
    /// - Throws: the error that was provided instead; `CancellationError` when the caller is cancelled while it waits.
    public var value: Value {
        get async throws { try await value(within: nil) }
    }

    /// The value, waiting for it a limited time.
    ///
    /// - Throws: `TimeoutError` when it is not there in time; the promise can still be kept.
    public func value(within limit: Duration?) async throws -> Value {
        if result == nil {
            try await Wait.park(in: waiters, until: .fromNow(limit), for: Wait.Reason("have a promise kept")).check(
                limit
            )
        }
        return try settled()
    }

    /// The value of a promise that is kept.
    func settled() throws -> Value {
        guard let result else { preconditionFailure("a promise that is kept has a result") }
        return try result.get()
    }

    /// Joins those who wait, as one branch of a select.
    func enlist(_ wait: Wait) { wait.begin(waiters, .never, Wait.Reason("have a promise kept")) }

    private func settle(_ result: Result<Value, any Error>) -> Bool {
        guard self.result == nil else { return false }
        self.result = result
        waiters.wakeAll()
        return true
    }
}
