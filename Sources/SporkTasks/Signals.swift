// Signals as a sequence that a coroutine reads in its turn: nothing ever happens inside a signal handler.
import SporkLoop

/// The signals that this process gets, in the order in which the loop heard of them.
///
/// From its creation until it goes, the signals no longer do what they do by default. Like the kernel's own, a signal that
/// comes again before it was taken counts once; two of different numbers are both kept. It never ends by itself. For processes
/// with a loop; the master has its own way. Waiting for a signal is no deadlock.
public final class Signals: AsyncSequence {
    private let arrived = Queue<Int32>()
    private var pending: Set<Int32> = []
    private var watchers: [SignalWatcher] = []

    /// Begins to listen for signals, by number: `Signals(SIGHUP, SIGUSR1)`.
    public init(_ numbers: Int32...) {
        watchers = numbers.map { number in
            SignalWatcher(number) { [unowned self] in MainActor.assumeIsolated { self.take(number) } }
        }
    }

    /// The next signal, suspending until there is one.
    ///
    /// - Throws: `CancellationError` or `TimeoutError`, and no signal was taken.
    public func next(within limit: Duration? = nil) async throws -> Int32 {
        EventLoop.beginExternalWait()
        defer { EventLoop.endExternalWait() }
        let number = try await arrived.receive(within: limit)
        pending.remove(number)
        return number
    }

    /// Takes one signal after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let signals: Signals

        /// The next signal; never nil.
        public mutating func next() async throws -> Int32? { try await signals.next() }
    }

    /// An iterator; several share the signals.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(signals: self) }

    private func take(_ number: Int32) {
        // The queue has no limit, so it never gives anything back.
        if pending.insert(number).inserted { _ = arrived.trySend(number) }
    }
}
