// Queues between coroutines: bounded or not, first in first out; with capacity 0 a channel, where every send waits for its
// receive.
//
// Invariants: elements leave in the order in which they came, receivers are served in the order in which they came, and so
// are senders. What is handed to a coroutine that waits is its own from that moment: a cancellation that comes later does not
// lose it, one that came earlier has taken it out of the list. Senders wait only while it is full, receivers only while it
// is empty.
import SporkLoop

/// Why a queue does not take or give.
public enum QueueError: Error, Equatable {
    /// `finish` was called, and nothing is left.
    case finished
    /// More elements were marked as processed than were sent.
    case nothingToMark
}

/// A queue that coroutines send to and receive from.
///
/// Iterating over it receives until it is finished; any number of coroutines may.
public nonisolated final class Queue<Element> {
    /// How many elements wait in it at most; nil for any number.
    ///
    /// Raising it lets waiting senders go on.
    @exclusivity(unchecked) public var capacity: Int? {
        didSet { admitSenders() }
    }

    /// Whether `finish` was called.
    @exclusivity(unchecked) public private(set) var isFinished = false

    @exclusivity(unchecked) @usableFromInline var elements = RingBuffer<Element>()
    @usableFromInline let receivers = WaitList()
    @usableFromInline let senders = WaitList()
    @usableFromInline let processed = WaitList()
    // Elements that were sent and not marked as processed.
    @exclusivity(unchecked) @usableFromInline var unprocessed = 0
    @exclusivity(unchecked) @usableFromInline var mostElements = 0
    @exclusivity(unchecked) @usableFromInline var spareReceiver: Handoff<Element>?
    @exclusivity(unchecked) @usableFromInline var spareSender: Handoff<Element>?

    /// A queue; with capacity 0 a channel.
    @inlinable public init(capacity: Int? = nil) {
        precondition(capacity ?? 0 >= 0, "a queue cannot hold fewer elements than none")
        self.capacity = capacity
    }

    /// Elements that wait to be received.
    @inlinable public var count: Int { elements.count }

    /// Whether a send would wait.
    @inlinable public var isFull: Bool { receivers.isEmpty && !hasRoom }

    /// Counters of a queue.
    public struct Statistics: Sendable {
        /// Elements that wait to be received.
        public var count: Int
        /// The most there ever were.
        public var mostElements: Int
        /// How many coroutines wait to send.
        public var waitingSenders: Int
        /// How many coroutines wait to receive.
        public var waitingReceivers: Int
        /// How many were sent and not marked as processed.
        public var unprocessed: Int
    }

    /// What there is to say about it now.
    public var statistics: Statistics {
        Statistics(
            count: elements.count,
            mostElements: mostElements,
            waitingSenders: senders.count,
            waitingReceivers: receivers.count,
            unprocessed: unprocessed
        )
    }

    /// Sends an element, suspending while the queue is full.
    ///
    /// - Throws: `CancellationError` or `TimeoutError`, and the element was not sent; `QueueError.finished`.
    @inlinable public func send(_ element: Element, within limit: Duration? = nil) async throws {
        if isFinished { throw QueueError.finished }
        guard let rest = trySend(element) else { return }
        let handoff = spareSender.take() ?? Handoff()
        handoff.element = rest
        defer {
            handoff.element = nil
            spareSender = handoff
        }
        let outcome = await handoff.wait.park(in: senders, until: .fromNow(limit), for: Wait.Reason("send to a queue"))
        if outcome == .closed { throw QueueError.finished }
        try outcome.check(limit)
    }

    /// Sends an element if there is room, or somebody who waits for it.
    ///
    /// - Returns: nil when it was sent, else the element.
    @inlinable public func trySend(_ element: Element) -> Element? {
        if isFinished { return element }
        if let receiver = Handoff<Element>.first(in: receivers) {
            unprocessed += 1
            receiver.element = element
            receiver.wait.wake()
            return nil
        }
        guard hasRoom else { return element }
        unprocessed += 1
        elements.append(element)
        mostElements = Swift.max(mostElements, elements.count)
        return nil
    }

    /// Receives the next element, suspending until there is one.
    ///
    /// - Throws: `CancellationError` or `TimeoutError`, and nothing was received; `QueueError.finished` when there will be no
    ///   more.
    @inlinable public func receive(within limit: Duration? = nil) async throws -> Element {
        if let element = tryReceive() { return element }
        if isFinished { throw QueueError.finished }
        let handoff = spareReceiver.take() ?? Handoff()
        defer { spareReceiver = handoff }
        let reason = Wait.Reason("receive from a queue")
        let outcome = await handoff.wait.park(in: receivers, until: .fromNow(limit), for: reason)
        if let element = handoff.element.take() { return element }
        if outcome == .closed { throw QueueError.finished }
        try outcome.check(limit)
        preconditionFailure("a receiver was woken with nothing")
    }

    /// Receives an element if there is one, or somebody who waits to send.
    @inlinable public func tryReceive() -> Element? {
        if let element = elements.popFirst() {
            admitSenders()
            return element
        }
        return takeFromSender()
    }

    /// Ends it: nothing more can be sent; who waits to send is told so; what is there can still be received.
    ///
    /// - Parameter discardingPending: drops what is there, too.
    public func finish(discardingPending: Bool = false) {
        isFinished = true
        if discardingPending {
            unprocessed -= elements.count
            elements.removeAll()
            if unprocessed == 0 { processed.wakeAll() }
        }
        senders.wakeAll(.closed)
        receivers.wakeAll(.closed)
    }

    /// Says that an element that was received has been dealt with; see `waitUntilProcessed`.
    ///
    /// - Throws: `QueueError.nothingToMark` when that was said as often as elements were sent.
    public func markProcessed() throws {
        guard unprocessed > 0 else { throw QueueError.nothingToMark }
        unprocessed -= 1
        if unprocessed == 0 { processed.wakeAll() }
    }

    /// Suspends until every element that was sent has been marked as processed.
    public func waitUntilProcessed(within limit: Duration? = nil) async throws {
        guard unprocessed > 0 else { return }
        let reason = Wait.Reason("see a queue processed")
        try await Wait.park(in: processed, until: .fromNow(limit), for: reason).check(limit)
    }

    @inlinable var hasRoom: Bool { elements.count < capacity ?? .max }

    @inlinable func takeFromSender() -> Element? {
        guard let sender = Handoff<Element>.first(in: senders), let element = sender.element.take() else { return nil }
        unprocessed += 1
        sender.wait.wake()
        return element
    }

    @inlinable func admitSenders() {
        while hasRoom, let element = takeFromSender() { elements.append(element) }
    }

    func enlistReceiver(_ handoff: Handoff<Element>) {
        handoff.wait.begin(receivers, .never, Wait.Reason("receive from a queue"))
    }

    func enlistSender(_ handoff: Handoff<Element>) {
        handoff.wait.begin(senders, .never, Wait.Reason("send to a queue"))
    }
}

nonisolated extension Queue: AsyncSequence {
    /// Receives one element after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        @usableFromInline let queue: Queue

        @inlinable init(queue: Queue) { self.queue = queue }

        /// The next element, nil when the queue is finished.
        @inlinable public mutating func next() async throws -> Element? {
            do { return try await queue.receive() } catch QueueError.finished { return nil }
        }
    }

    /// An iterator that receives; several share the elements.
    @inlinable public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(queue: self) }
}
