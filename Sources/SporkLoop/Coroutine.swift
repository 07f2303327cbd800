// A coroutine with its value: what SporkTasks' spawn returns. The value stays in the handle, so it need not be Sendable:
// there is one thread.
//
// What depends on the value's type can be inlined, and is thereby made for that type in the program that uses it: done for any type
// at run time, spawning and joining took three times as long.

/// A coroutine that was spawned: wait for its value, or cancel it.
///
/// Dropping the handle does not end it. One that fails while nobody has asked for its value, and nobody can any more, is
/// reported to `EventLoop.onUnhandledError`.
public nonisolated final class Coroutine<Success>: AnyCoroutine {
    /// What a coroutine is doing.
    public enum State {
        /// It has not started yet.
        case scheduled
        /// It is the one that runs.
        case running
        /// It waits, or will run in its turn.
        case suspended
        /// It has returned a value.
        case finished
        /// It has thrown an error.
        case failed(any Error)
        /// It has ended because it was cancelled.
        case cancelled
    }

    /// What it has to do, or what has come of it.
    @usableFromInline enum Content {
        case body(@MainActor () async throws -> Success)
        case running
        // Returns the value. To destroy a value of any type, that type has to be looked up; to destroy a function, it has not.
        case value(() -> Success)
        case failure(any Error)
    }

    @exclusivity(unchecked) @usableFromInline var content: Content

    @inlinable
    package init(
        name: String?,
        file: StaticString,
        line: UInt,
        _ body: @escaping @MainActor () async throws -> Success
    ) {
        content = .body(body)
        super.init(name: name, file: file, line: line) { coroutine in await Self.run(coroutine) }
    }

    deinit {
        guard !isObserved, case .failure(let error) = content, !(error is CancellationError) else { return }
        let label = label
        EventLoop.reportUnhandled(error, label)
    }

    @inlinable
    @inline(__always)
    @MainActor static func run(_ coroutine: Unmanaged<AnyCoroutine>) async {
        let this = Unmanaged<Coroutine>.fromOpaque(coroutine.toOpaque())
        guard let body = takeBody(of: this) else { return }
        do { succeed(this, try await body()) } catch { fail(this, error) }
    }

    // None of these is on the main actor: closures that are, are checked to be there each time.

    // Taken, so that what it has captured goes when it has returned. One that was cancelled before gets none.
    @inlinable
    @inline(__always)
    static func takeBody(of coroutine: Unmanaged<Coroutine>) -> (@MainActor () async throws -> Success)? {
        coroutine._withUnsafeGuaranteedRef { coroutine in
            var taken = Content.running
            swap(&taken, &coroutine.content)
            if case .body(let body) = taken, !coroutine.isCancelled { return body }
            coroutine.content = .failure(CancellationError())
            return nil
        }
    }

    // Both out of line, for a small frame of `run`: every coroutine that waits pays for that.
    @inline(never)
    @inlinable
    static func succeed(_ coroutine: Unmanaged<Coroutine>, _ value: Success) {
        coroutine._withUnsafeGuaranteedRef { $0.content = .value { value } }
    }

    @inline(never)
    @inlinable
    static func fail(_ coroutine: Unmanaged<Coroutine>, _ error: any Error) {
        coroutine._withUnsafeGuaranteedRef { $0.content = .failure(error) }
    }

    /// What it is doing.
    public var state: State {
        guard isFinished else { return !hasStarted ? .scheduled : Self.current === self ? .running : .suspended }
        guard case .failure(let error) = content else { return .finished }
        return error is CancellationError ? .cancelled : .failed(error)
    }

    /// What the body returned, once it has.
    ///
    /// - Throws: what the body threw; `CancellationError` when the caller is cancelled while it waits.
    @inlinable public var value: Success {
        get async throws { try await value(within: nil) }
    }

    /// What the body returned, waiting for it a limited time.
    ///
    /// The coroutine itself goes on when the time is over.
    ///
    /// - Throws: what the body threw; `TimeoutError` when it has not ended in time; `CancellationError` when the caller is
    ///   cancelled while it waits.
    @inlinable
    public func value(within limit: Duration?) async throws -> Success {
        try await wait(within: limit).check(limit)
        isObserved = true
        return try finished.get()
    }

    /// Has `observer` called when the coroutine has ended, at once when it has; several in the order in which they came.
    ///
    /// What it throws is reported to `EventLoop.onUnhandledError` and keeps no other from being called.
    @inlinable
    public func onCompletion(_ observer: @escaping (Coroutine) throws -> Void) {
        observeEnd { coroutine in try observer(unsafeDowncast(coroutine, to: Coroutine.self)) }
    }

    /// The outcome of one that has ended.
    @inlinable package var finished: Result<Success, any Error> {
        switch content {
        case .value(let value): .success(value())
        case .failure(let error): .failure(error)
        case .body, .running: preconditionFailure("a finished coroutine has an outcome")
        }
    }

    /// Says that somebody looks after its errors.
    package func observe() { isObserved = true }
}
