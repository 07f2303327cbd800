// Sleeping on the loop, and stepping back. Cheaper than the standard library's, which make a task each time, and really gone
// when they are cancelled.
import SporkLoop

/// Suspends for at least `duration`; other coroutines run meanwhile.
///
/// - Throws: `CancellationError` as soon as the coroutine is cancelled.
public nonisolated(nonsending) func sleep(for duration: Duration) async throws {
    let outcome = await Wait.park(until: .fromNow(duration), for: Wait.Reason("sleep"))
    if outcome == .cancelled { throw CancellationError() }
}

/// Lets every coroutine that is runnable go first.
///
/// - Throws: `CancellationError` when the coroutine was cancelled.
@inlinable
@inline(__always)
public nonisolated(nonsending) func checkpoint() async throws {
    if Task.isCancelled { throw CancellationError() }
    await EventLoop.stepBack()
}
