// The end of a coroutine: waiting for it, and being told of it.
//
// Invariant: the outcome is there before those who wait are woken.

nonisolated extension AnyCoroutine {
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

    /// Waits for the end.
    ///
    /// Cancelling the caller is passed on to this coroutine; the caller waits until it has taken notice.
    @usableFromInline package func waitPassingOnCancellation(
        until deadline: Deadline
    ) async -> Wait.Outcome {
        isObserved = true
        if Self.current?.isCancelled ?? Task.isCancelled { cancel() }
        return await wait(with: Wait(.forwarding(self)), until: deadline)
    }

    @inline(__always)
    @usableFromInline package func wait(within limit: Duration?) async -> Wait.Outcome {
        if isFinished { return .woken }
        guard waiter == nil, let coroutine = AnyCoroutine.currentRecord else {
            return await wait(with: Wait(), until: .fromNow(limit))
        }
        let wait = coroutine._withUnsafeGuaranteedRef { $0.parkingWait() }
        waiter = wait
        let reason = Wait.Reason("join coroutine", Int(id))
        let outcome = await Wait.park(wait, of: coroutine, in: nil, until: .fromNow(limit), for: reason)
        waiter = nil
        return outcome
    }

    // Out of line, for a small frame of what calls it: hardly ever is there more than one who waits.
    @inline(never)
    private func wait(with wait: Wait, until deadline: Deadline) async -> Wait.Outcome {
        if isFinished { return .woken }
        let reason = Wait.Reason("join coroutine", Int(id))
        guard waiter == nil else { return await wait.park(in: waiterList, until: deadline, for: reason) }
        waiter = .passUnretained(wait)
        let outcome = await wait.park(until: deadline, for: reason)
        waiter = nil
        return outcome
    }

    /// Those who wait, beside the first.
    package var waiterList: WaitList { ensureAudience().waiters }

    /// Has `observer` called when it has ended, at once when it has.
    ///
    /// - Returns: what `stopObserving` wants to know.
    @discardableResult
    @usableFromInline package func observeEnd(_ observer: @escaping (AnyCoroutine) throws -> Void) -> Int {
        if isFinished {
            tell(observer)
            return 0
        }
        return ensureAudience().add(observer)
    }

    /// Forgets an observer that has not been called.
    package func stopObserving(_ number: Int) { audience?.observers.removeAll { $0.number == number } }

    private func ensureAudience() -> Audience {
        if let audience { return audience }
        let made = Audience()
        audience = made
        return made
    }

    /// Wakes who waits for the end, and calls the observers.
    func tellOfEnd() {
        waiter?._withUnsafeGuaranteedRef { $0.wake() }
        guard let audience else { return }
        audience.waiters.wakeAll()
        let observers = audience.observers
        audience.observers = []
        for (_, observer) in observers { tell(observer) }
    }

    private func tell(_ observer: (AnyCoroutine) throws -> Void) {
        do { try observer(self) } catch { EventLoop.reportUnhandled(error, "an observer of \(label)") }
    }
}

/// Who waits for a coroutine's end beside the first, and who wants to be told of it.
nonisolated final class Audience {
    let waiters = WaitList()
    var observers: [(number: Int, observer: (AnyCoroutine) throws -> Void)] = []
    private var lastNumber = 0

    func add(_ observer: @escaping (AnyCoroutine) throws -> Void) -> Int {
        lastNumber += 1
        observers.append((lastNumber, observer))
        return lastNumber
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
