// Waiting for whichever of several things is first. What is not chosen is as if it had never been waited for: a branch
// joins the list of those who wait, and whoever finds it there decides the whole select in its favour, before he hands
// anything over; the other branches leave their lists in that moment.
import SporkLoop

/// One of the things that a select waits for.
public struct SelectBranch<Outcome> {
    // Takes what is there already, without waiting.
    let attempt: () throws -> Outcome?
    // Joins those who wait; the result is called when this branch was chosen.
    let enlist: (Selection) -> (wait: Wait, collect: (Wait.Outcome) throws -> Outcome)
}

/// Waits until one of several things has happened, and does just that one.
///
/// Where several are ready at the start, the first in the list is chosen.
///
/// - Parameter limit: how long to wait.
/// - Throws: `TimeoutError` or `CancellationError`, and none of them was done; what a branch throws.
@MainActor public func select<Outcome>(
    _ branches: SelectBranch<Outcome>...,
    within limit: Duration? = nil
) async throws -> Outcome {
    for branch in branches {
        if let outcome = try branch.attempt() { return outcome }
    }
    try Task.checkCancellation()
    let selection = Selection()
    let enlisted = branches.map { $0.enlist(selection) }
    defer { for branch in enlisted { branch.wait.withdraw() } }
    let ended = await selection.wait.park(until: .fromNow(limit), for: Wait.Reason("have one of several"))
    guard let chosen = selection.chosen, let branch = enlisted.first(where: { $0.wait === chosen }) else {
        try ended.check(limit)
        preconditionFailure("a select was woken by none of its branches")
    }
    return try branch.collect(chosen.outcome)
}

/// The coroutine that waits in a select, as its branches see it.
final class Selection {
    private(set) var chosen: Wait?
    private var branches: [Wait] = []
    // What the branches have in their hands is theirs only as long as somebody holds it.
    private var handoffs: [AnyObject] = []
    private(set) lazy var wait = Wait(.several { [unowned self] in withdrawBranches() })

    /// A wait for one branch.
    func branch() -> Wait {
        let wait = Wait(.branch { [unowned self] in choose($0) })
        branches.append(wait)
        return wait
    }

    /// A wait for one branch that hands something over.
    func handoff<Element>(_ element: Element? = nil) -> Handoff<Element> {
        let handoff = Handoff(.branch { [unowned self] in choose($0) }, element)
        branches.append(handoff.wait)
        handoffs.append(handoff)
        return handoff
    }

    private nonisolated func choose(_ wait: Wait) {
        nonisolated(unsafe) let wait = wait
        MainActor.assumeIsolated {
            guard chosen == nil else { return }
            chosen = wait
            self.wait.wake()
        }
    }

    private nonisolated func withdrawBranches() {
        MainActor.assumeIsolated {
            for branch in branches where branch !== chosen { branch.withdraw() }
        }
    }
}

extension SelectBranch {
    /// Receives from a queue; nil when it is finished.
    public static func receive<Element>(
        from queue: Queue<Element>,
        _ then: @escaping (Element?) throws -> Outcome
    ) -> SelectBranch {
        SelectBranch(
            attempt: {
                if let element = queue.tryReceive() { return try then(element) }
                return queue.isFinished ? try then(nil) : nil
            },
            enlist: { selection in
                let handoff: Handoff<Element> = selection.handoff()
                queue.enlistReceiver(handoff)
                return (handoff.wait, { _ in try then(handoff.element.take()) })
            }
        )
    }

    /// Sends to a queue.
    ///
    /// Throws `QueueError.finished` when it is.
    public static func send<Element>(
        _ element: Element,
        to queue: Queue<Element>,
        _ then: @escaping () throws -> Outcome
    ) -> SelectBranch {
        SelectBranch(
            attempt: {
                if queue.isFinished { throw QueueError.finished }
                return queue.trySend(element) == nil ? try then() : nil
            },
            enlist: { selection in
                let handoff = selection.handoff(element)
                queue.enlistSender(handoff)
                return (
                    handoff.wait,
                    { outcome in
                        if outcome == .closed { throw QueueError.finished }
                        return try then()
                    }
                )
            }
        )
    }

    /// Waits for an event.
    public static func wait(for event: Event, _ then: @escaping () throws -> Outcome) -> SelectBranch {
        SelectBranch(
            attempt: { event.isSet ? try then() : nil },
            enlist: { selection in
                let wait = selection.branch()
                event.enlist(wait)
                return (
                    wait,
                    { _ in
                        event.branchRan()
                        return try then()
                    }
                )
            }
        )
    }

    /// Waits for a promise; its error is thrown.
    public static func value<Value>(
        of promise: Promise<Value>,
        _ then: @escaping (Value) throws -> Outcome
    ) -> SelectBranch {
        SelectBranch(
            attempt: { try promise.result.map { try then($0.get()) } },
            enlist: { selection in
                let wait = selection.branch()
                promise.enlist(wait)
                return (wait, { _ in try then(promise.settled()) })
            }
        )
    }

    /// Takes a permit.
    public static func acquire(_ semaphore: Semaphore, _ then: @escaping () throws -> Outcome) -> SelectBranch {
        SelectBranch(
            attempt: { semaphore.tryAcquire() ? try then() : nil },
            enlist: { selection in
                let wait = selection.branch()
                semaphore.enlist(wait)
                return (wait, { _ in try then() })
            }
        )
    }

    /// Waits for a coroutine's value; its error is thrown.
    public static func value<Value>(
        of coroutine: Coroutine<Value>,
        _ then: @escaping (Value) throws -> Outcome
    ) -> SelectBranch {
        SelectBranch(
            attempt: {
                guard coroutine.isFinished else { return nil }
                coroutine.observe()
                return try then(coroutine.finished.get())
            },
            enlist: { selection in
                let wait = selection.branch()
                wait.begin(coroutine.waiterList, .never, Wait.Reason("join coroutine", Int(coroutine.id)))
                return (
                    wait,
                    { _ in
                        coroutine.observe()
                        return try then(coroutine.finished.get())
                    }
                )
            }
        )
    }
}
