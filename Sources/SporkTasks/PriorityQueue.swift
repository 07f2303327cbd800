// A queue from which the smallest element comes first. Elements wait in a heap; permits of a semaphore stand for them and
// for the room that is left, so that waiting is fair.
import HeapModule
import SporkLoop

/// A queue that gives the smallest element first; equal ones in the order in which they came.
public final class PriorityQueue<Element: Comparable> {
    private struct Entry: Comparable {
        var element: Element
        var number: Int

        static func < (left: Entry, right: Entry) -> Bool {
            left.element != right.element ? left.element < right.element : left.number < right.number
        }

        static func == (left: Entry, right: Entry) -> Bool { left.number == right.number }
    }

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

    /// Sends an element, suspending while the queue is full.
    ///
    /// - Throws: `CancellationError` or `TimeoutError`, and the element was not sent.
    public func send(_ element: Element, within limit: Duration? = nil) async throws {
        if let room { try await Self.take(room, limit) }
        insert(element)
    }

    /// Sends an element if there is room.
    ///
    /// - Returns: nil when it was sent, else the element.
    public func trySend(_ element: Element) -> Element? {
        if let room, !room.tryAcquire() { return element }
        insert(element)
        return nil
    }

    /// Receives the smallest element, suspending until there is one.
    ///
    /// - Throws: `CancellationError` or `TimeoutError`, and nothing was received.
    public func receive(within limit: Duration? = nil) async throws -> Element {
        try await Self.take(filled, limit)
        return removeSmallest()
    }

    /// Receives the smallest element if there is one.
    public func tryReceive() -> Element? { filled.tryAcquire() ? removeSmallest() : nil }

    private static func take(_ permits: Semaphore, _ limit: Duration?) async throws {
        guard let limit else { return try await permits.acquire() }
        guard try await permits.acquire(within: limit) else { throw TimeoutError(limit: limit) }
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
