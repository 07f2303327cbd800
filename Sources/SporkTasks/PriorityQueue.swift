// A queue from which the smallest element comes first. Elements wait in a heap; permits of a semaphore stand for them and
// for the room that is left, so that waiting is fair.
import HeapModule
import SporkLoop

/// A queue that gives the smallest element first; equal ones in the order in which they came.
public nonisolated final class PriorityQueue<Element: Comparable> {
    private struct Entry: Comparable {
        var element: Element
        var number: Int

        static func < (left: Entry, right: Entry) -> Bool {
            left.element != right.element ? left.element < right.element : left.number < right.number
        }

        static func == (left: Entry, right: Entry) -> Bool { left.number == right.number }
    }

    /// Whether `finish` was called.
    public private(set) var isFinished = false

    private var heap = Heap<Entry>()
    private var nextNumber = 0
    private let filled = Semaphore(permits: 0)
    private let room: Semaphore?

    /// A queue that holds this many elements; nil for any number.
    public init(capacity: Int? = nil) {
        precondition(capacity ?? 1 > 0, "a priority queue has to hold at least one element")
        room = capacity.map { Semaphore(permits: $0) }
    }

    /// Elements that wait to be received and are not promised to anybody.
    public var count: Int { filled.available }

    /// Counters of a priority queue.
    public struct Statistics: Sendable {
        /// Elements that wait to be received and are not promised to anybody.
        public var count: Int
        /// How many coroutines wait to send.
        public var waitingSenders: Int
        /// How many coroutines wait to receive.
        public var waitingReceivers: Int
    }

    /// What there is to say about it now.
    public var statistics: Statistics {
        Statistics(
            count: count,
            waitingSenders: room?.statistics.waiting ?? 0,
            waitingReceivers: filled.statistics.waiting
        )
    }

    /// Sends an element, suspending while the queue is full.
    ///
    /// - Throws: `CancellationError` or `TimeoutError`, and the element was not sent; `QueueError.finished`.
    public func send(_ element: Element, within limit: Duration? = nil) async throws {
        if isFinished { throw QueueError.finished }
        if let room { try await take(room, limit) }
        // It may have been finished after the room was given and before this ran.
        if isFinished { throw QueueError.finished }
        insert(element)
    }

    /// Sends an element if there is room.
    ///
    /// - Returns: nil when it was sent, else the element.
    public func trySend(_ element: Element) -> Element? {
        if isFinished || room?.tryAcquire() == false { return element }
        insert(element)
        return nil
    }

    /// Receives the smallest element, suspending until there is one.
    ///
    /// - Throws: `CancellationError` or `TimeoutError`, and nothing was received; `QueueError.finished` when there will be no
    ///   more.
    public func receive(within limit: Duration? = nil) async throws -> Element {
        if let element = tryReceive() { return element }
        if isFinished { throw QueueError.finished }
        try await take(filled, limit)
        return removeSmallest()
    }

    /// Receives the smallest element if there is one.
    public func tryReceive() -> Element? { filled.tryAcquire() ? removeSmallest() : nil }

    /// Ends it: nothing more can be sent; who waits to send is told so; what is there can still be received.
    public func finish() {
        isFinished = true
        room?.closeWaits()
        filled.closeWaits()
    }

    private func take(_ permits: Semaphore, _ limit: Duration?) async throws {
        let outcome = await permits.take(within: limit)
        if outcome == .closed { throw QueueError.finished }
        try outcome.check(limit)
    }

    private func insert(_ element: Element) {
        heap.insert(Entry(element: element, number: nextNumber))
        nextNumber += 1
        filled.release()
    }

    private func removeSmallest() -> Element {
        guard let entry = heap.popMin() else { preconditionFailure("a permit stands for an element") }
        room?.release()
        return entry.element
    }
}

nonisolated extension PriorityQueue: AsyncSequence {
    /// Receives one element after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let queue: PriorityQueue

        /// The smallest element, nil when the queue is finished.
        public mutating func next() async throws -> Element? {
            do { return try await queue.receive() } catch QueueError.finished { return nil }
        }
    }

    /// An iterator that receives; several share the elements.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(queue: self) }
}
