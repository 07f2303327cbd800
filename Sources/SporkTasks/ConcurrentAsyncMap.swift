// An asynchronous sequence mapped by several coroutines at once. One more coroutine takes the elements from the sequence, so that results
// are handed on while it waits for the next.
//
// Invariants: no more than `limit` elements are being worked on or wait to be taken; an error of the sequence itself stands where the
// element would have stood.
import SporkLoop

extension AsyncSequence {
    /// The results of `transform`, worked on by up to `limit` coroutines at once.
    ///
    /// - Parameters:
    ///   - limit: how many elements may be ahead of what was taken.
    ///   - isOrdered: in the order of the sequence; else each as it is ready.
    @MainActor public func mapConcurrently<Result>(
        limit: Int,
        isOrdered: Bool = true,
        _ transform: @escaping @MainActor (Element) async throws -> Result
    ) -> ConcurrentAsyncMap<Self, Result> {
        precondition(limit > 0, "a concurrent map has to be allowed to work on one element at least")
        return ConcurrentAsyncMap(base: self, limit: limit, isOrdered: isOrdered, transform: transform)
    }
}

/// What `mapConcurrently` of an asynchronous sequence returns.
///
/// An error, of an element's or of the sequence's own, surfaces at the element that it belongs to, and ends the sequence.
public struct ConcurrentAsyncMap<Base: AsyncSequence, Element>: AsyncSequence {
    let base: Base
    let limit: Int
    let isOrdered: Bool
    let transform: @MainActor (Base.Element) async throws -> Element

    /// Starts when the first result is asked for; cancels what is left when it goes.
    @MainActor public final class AsyncIterator: AsyncIteratorProtocol {
        private let work: ConcurrentWork<Base, Element>
        private var isOver = false

        init(_ map: ConcurrentAsyncMap) { work = ConcurrentWork(map) }

        isolated deinit { work.cancel() }

        /// The next result.
        public func next() async throws -> Element? {
            guard !isOver else { return nil }
            do { return try await work.next() } catch {
                isOver = true
                work.cancel()
                throw error
            }
        }
    }

    /// An iterator that has not started anything yet.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}

/// The coroutines of one iteration; apart from the iterator, which nobody but its user keeps.
private final class ConcurrentWork<Base: AsyncSequence, Element> {
    private let map: ConcurrentAsyncMap<Base, Element>
    private let room: Semaphore
    private let results = Queue<Coroutine<Element>>()
    private var running: [UInt64: Coroutine<Element>] = [:]
    private var feeder: AnyCoroutine?
    private var hasEnded = false

    init(_ map: ConcurrentAsyncMap<Base, Element>) {
        self.map = map
        room = Semaphore(permits: map.limit)
    }

    func next() async throws -> Element? {
        if feeder == nil { feeder = spawn("feed a map") { [self] in await feed() } }
        do {
            let coroutine = try await results.receive()
            let value = try await coroutine.value
            running[coroutine.id] = nil
            room.release()
            return value
        } catch QueueError.finished { return nil }
    }

    func cancel() {
        feeder?.cancel()
        for coroutine in running.values { coroutine.cancel() }
    }

    private func feed() async {
        do {
            for try await element in map.base {
                try await room.acquire()
                let transform = map.transform
                start(spawn("map") { try await transform(element) })
            }
        } catch {
            start(spawn("map") { throw error })
        }
        hasEnded = true
        finishIfDone()
    }

    private func start(_ coroutine: Coroutine<Element>) {
        coroutine.observe()
        running[coroutine.id] = coroutine
        if map.isOrdered {
            _ = results.trySend(coroutine)
        } else {
            coroutine.onCompletion { [self] coroutine in
                _ = results.trySend(coroutine)
                finishIfDone()
            }
        }
    }

    // What is in the queue is still received.
    private func finishIfDone() {
        guard hasEnded, map.isOrdered || running.values.allSatisfy(\.isFinished) else { return }
        results.finish()
    }
}
