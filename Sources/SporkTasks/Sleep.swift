// Sleeping on the loop. Cheaper than Task.sleep, which allocates a task, and really gone when it is cancelled.
import SporkLoop

/// Suspends for at least `duration`; other coroutines run meanwhile.
///
/// - Throws: `CancellationError` as soon as the coroutine is cancelled.
public func sleep(for duration: Duration) async throws {
    let sleeper = Sleeper()
    try await withTaskCancellationHandler {
        try await sleeper.sleep(for: duration)
    } onCancel: {
        MainActor.assumeIsolated { sleeper.cancel() }
    }
}

private final class Sleeper {
    private var waiter: UnsafeContinuation<Void, any Error>?
    private var timer: LoopTimer?

    func sleep(for duration: Duration) async throws {
        try Task.checkCancellation()
        try await withUnsafeThrowingContinuation { waiter in
            self.waiter = waiter
            let timer = LoopTimer { [unowned self] in wake(with: .success(())) }
            self.timer = timer
            timer.start(after: duration)
        }
    }

    func cancel() { wake(with: .failure(CancellationError())) }

    private func wake(with result: Result<Void, any Error>) {
        timer?.stop()
        guard let waiter else { return }
        self.waiter = nil
        waiter.resume(with: result)
    }
}
