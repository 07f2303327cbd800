// A coroutine with its value: what SporkTasks' spawn returns. The value stays in the handle, so it need not be Sendable:
// there is one thread.
//
// Invariant: `outcome` is there from the moment in which those who wait are woken.

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

    private var body: (@MainActor () async throws -> Success)?
    private(set) var outcome: Result<Success, any Error>?
    private var wasObserved = false
    // Nearly always there is one who waits; the list is for when there are more.
    private unowned(unsafe) var waiter: Wait?
    private var moreWaiters: WaitList?
    private var observers: [(Coroutine) throws -> Void] = []

    package init(
        name: String?,
        file: StaticString,
        line: UInt,
        _ body: @escaping @MainActor () async throws -> Success
    ) {
        self.body = body
        super.init(name: name, file: file, line: line)
    }

    deinit {
        guard !wasObserved, case .failure(let error)? = outcome, !(error is CancellationError) else { return }
        let label = label
        EventLoop.reportUnhandled(error, label)
    }

    /// What it is doing.
    public var state: State {
        switch outcome {
        case .success?: .finished
        case .failure(is CancellationError)?: .cancelled
        case .failure(let error)?: .failed(error)
        case nil: !hasStarted ? .scheduled : Self.current === self ? .running : .suspended
        }
    }

    /// What the body returned, once it has.
    ///
    /// - Throws: what the body threw; `CancellationError` when the caller is cancelled while it waits.
    public var value: Success {
        get async throws { try await value(within: nil) }
    }

    /// What the body returned, waiting for it a limited time.
    ///
    /// The coroutine itself goes on when the time is over.
    ///
    /// - Throws: what the body threw; `TimeoutError` when it has not ended in time; `CancellationError` when the caller is
    ///   cancelled while it waits.
    public func value(within limit: Duration?) async throws -> Success {
        wasObserved = true
        try await wait(within: limit).check(limit)
        return try finished.get()
    }

    /// Waits until the body has returned or thrown, or the caller is cancelled.
    public func join() async { _ = await wait(within: nil) }

    /// Waits a limited time until the body has returned or thrown.
    ///
    /// - Returns: whether it has.
    public func join(within limit: Duration) async -> Bool {
        _ = await wait(within: limit)
        return isFinished
    }

    /// Cancels it and waits until it has ended; the wait itself cannot be cancelled.
    public func cancelAndWait() async {
        cancel()
        while !isFinished { _ = await wait(with: Wait(.shielded), until: .never) }
    }

    /// Has `observer` called when the coroutine has ended, at once when it has; several in the order in which they came.
    ///
    /// What it throws is reported to `EventLoop.onUnhandledError` and keeps no other from being called.
    public func onCompletion(_ observer: @escaping (Coroutine) throws -> Void) {
        if isFinished { tell(observer) } else { observers.append(observer) }
    }

    /// The outcome of one that has ended.
    package var finished: Result<Success, any Error> {
        guard let outcome else { preconditionFailure("a finished coroutine has an outcome") }
        return outcome
    }

    /// Waits for the end.
    ///
    /// Cancelling the caller is passed on to this coroutine; the caller waits until it has taken notice.
    package func waitPassingOnCancellation(until deadline: Deadline) async -> Wait.Outcome {
        wasObserved = true
        if Self.current?.isCancelled ?? Task.isCancelled { cancel() }
        return await wait(with: Wait(.forwarding(self)), until: deadline)
    }

    /// Says that somebody looks after its errors.
    package func observe() { wasObserved = true }

    package func wait(within limit: Duration?) async -> Wait.Outcome {
        if isFinished { return .woken }
        if waiter == nil, let coroutine = AnyCoroutine.current {
            let wait = coroutine.takeWait()
            defer { coroutine.putBack(wait) }
            return await self.wait(with: wait, until: .fromNow(limit))
        }
        return await wait(with: Wait(), until: .fromNow(limit))
    }

    private func wait(with wait: Wait, until deadline: Deadline) async -> Wait.Outcome {
        if isFinished { return .woken }
        let reason = Wait.Reason("join coroutine", Int(id))
        guard waiter == nil else { return await wait.park(in: waiterList, until: deadline, for: reason) }
        waiter = wait
        let outcome = await wait.park(until: deadline, for: reason)
        if waiter === wait { waiter = nil }
        return outcome
    }

    /// Those who wait, beside the first.
    package var waiterList: WaitList {
        let list = moreWaiters ?? WaitList()
        moreWaiters = list
        return list
    }

    @MainActor override func run() async {
        guard !isCancelled, let body else { return outcome = .failure(CancellationError()) }
        do { succeed(try await body()) } catch { fail(error) }
    }

    // Both out of line, for a small frame of `run`: every coroutine that waits pays for that.
    @inline(never)
    private func succeed(_ value: Success) { outcome = .success(value) }

    @inline(never)
    private func fail(_ error: any Error) { outcome = .failure(error) }

    override func didFinish() {
        body = nil
        waiter?.wake()
        moreWaiters?.wakeAll()
        guard !observers.isEmpty else { return }
        let waiting = observers
        observers = []
        for observer in waiting { tell(observer) }
    }

    private func tell(_ observer: (Coroutine) throws -> Void) {
        do { try observer(self) } catch { EventLoop.reportUnhandled(error, "an observer of \(label)") }
    }
}

extension EventLoop {
    /// Is told of errors that nobody can see any more: of a coroutine whose handle was dropped, or of an observer.
    ///
    /// Says so on standard error unless it is set.
    public static var onUnhandledError: (_ error: any Error, _ coroutine: String) -> Void = { error, coroutine in
        say("\(coroutine) failed: \(error)")
    }

    nonisolated static func reportUnhandled(_ error: any Error, _ coroutine: String) {
        MainActor.assumeIsolated { onUnhandledError(error, coroutine) }
    }
}
