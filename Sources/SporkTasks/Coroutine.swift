// spawn: a coroutine that runs beside the others on the worker's loop, and the handle to wait for it. Servers spawn one
// for each connection. The result stays in the handle, so it need not be Sendable: there is one thread.

/// A coroutine that was spawned: wait for its value, or cancel it.
public final class Coroutine<Success> {
    /// What the coroutine was called when it was spawned.
    public let name: String?

    private var outcome: Result<Success, any Error>?
    private var task: Task<Void, Never>?

    fileprivate init(name: String?, body: @escaping @MainActor () async throws -> Success) {
        self.name = name
        task = Task(name: name) {
            do { self.outcome = .success(try await body()) } catch { self.outcome = .failure(error) }
            self.task = nil
        }
    }

    /// Whether the body has returned or thrown.
    public var isFinished: Bool { outcome != nil }

    /// What the body returned, once it has.
    ///
    /// Waiting is not ended by cancelling the waiter; cancel the coroutine itself for that.
    ///
    /// - Throws: what the body threw.
    public var value: Success {
        get async throws {
            await join()
            guard let outcome else { preconditionFailure("a finished coroutine has an outcome") }
            return try outcome.get()
        }
    }

    /// Waits until the body has returned or thrown.
    ///
    /// Never throws itself.
    public func join() async { await task?.value }

    /// Asks the coroutine to end: what it waits for throws `CancellationError`.
    ///
    /// Harmless when it has ended.
    public func cancel() { task?.cancel() }
}

/// Starts a coroutine that runs beside the caller.
///
/// The body starts when the caller suspends, never during the call, and two that are spawned start in that order.
///
/// - Parameters:
///   - name: what dumps and reports call it.
///   - body: what it does.
/// - Returns: the handle; dropping it does not end the coroutine.
@discardableResult
public func spawn<Success>(
    _ name: String? = nil,
    _ body: @escaping @MainActor () async throws -> Success
) -> Coroutine<Success> {
    Coroutine(name: name, body: body)
}
