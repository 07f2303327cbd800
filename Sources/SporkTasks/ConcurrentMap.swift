// A sequence mapped by several coroutines at once: gevent's imap, with its order or without.
//
// Invariant: no more than `limit` elements are being worked on or wait to be taken, so a consumer that stops stops the rest.
import SporkLoop

extension Sequence {
    /// The results of `transform`, worked on by up to `limit` coroutines at once.
    ///
    /// - Parameters:
    ///   - limit: how many elements may be ahead of what was taken.
    ///   - isOrdered: in the order of the sequence; else each as it is ready.
    public func mapConcurrently<Result>(
        limit: Int,
        isOrdered: Bool = true,
        _ transform: @escaping @MainActor (Element) async throws -> Result
    ) -> ConcurrentMap<Self, Result> {
        precondition(limit > 0, "a concurrent map has to be allowed to work on one element at least")
        return ConcurrentMap(base: self, limit: limit, isOrdered: isOrdered, transform: transform)
    }
}

/// What `mapConcurrently` returns.
///
/// An error surfaces at the element that it belongs to, and ends the sequence.
public struct ConcurrentMap<Base: Sequence, Element>: AsyncSequence {
    let base: Base
    let limit: Int
    let isOrdered: Bool
    let transform: @MainActor (Base.Element) async throws -> Element

    /// Starts coroutines as elements are taken; cancels those that are left when it goes.
    @MainActor public final class AsyncIterator: AsyncIteratorProtocol {
        private var base: Base.Iterator
        private let limit: Int
        private let isOrdered: Bool
        private let transform: @MainActor (Base.Element) async throws -> Element
        private var ahead = RingBuffer<Coroutine<Element>>()
        private var running: [UInt64: Coroutine<Element>] = [:]
        private let ended = Queue<Coroutine<Element>>()
        private var isOver = false

        init(_ map: ConcurrentMap) {
            base = map.base.makeIterator()
            (limit, isOrdered, transform) = (map.limit, map.isOrdered, map.transform)
        }

        isolated deinit { cancelRest() }

        /// The next result.
        public func next() async throws -> Element? {
            while !isOver, running.count < limit, let element = base.next() { start(element) }
            guard !isOver, !running.isEmpty else { return nil }
            do {
                guard let coroutine = try await isOrdered ? ahead.popFirst() : ended.receive() else { return nil }
                let value = try await coroutine.value
                running[coroutine.id] = nil
                return value
            } catch {
                isOver = true
                cancelRest()
                throw error
            }
        }

        private func start(_ element: Base.Element) {
            let transform = transform
            let coroutine = spawn("map") { try await transform(element) }
            coroutine.observe()
            running[coroutine.id] = coroutine
            if isOrdered {
                ahead.append(coroutine)
            } else {
                coroutine.onCompletion { [ended] in _ = ended.trySend($0) }
            }
        }

        private func cancelRest() {
            for coroutine in running.values { coroutine.cancel() }
        }
    }

    /// An iterator that has not started anything yet.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}
