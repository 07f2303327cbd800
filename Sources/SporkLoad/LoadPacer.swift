// Hands out requests when they are due, in an open loop. One coroutine waits for the moments; a connection that has nothing to do
// waits here, and one that comes from an answer takes what is overdue. What nobody takes is kept: it was due, and it counts.
import Glibc
import SporkLoop
import SporkTasks

/// The requests of one process that are due.
final class LoadPacer {
    /// A request that is due.
    struct Arrival {
        /// The moment at which it should have been sent, on the generator's clock.
        var due: UInt64
        /// Whether a connection was free for it: then whatever passes until it is sent is the generator's own lag.
        var wasExpected: Bool
    }

    /// How many have been due so far.
    private(set) var scheduled = 0
    private(set) var isOver = false
    private var arrivals: Arrivals
    // From here on is overdue; what is before was handed out.
    private var backlog: [Arrival] = []
    private var head = 0
    private let idle = WaitList()
    private var idleCount = 0

    init(_ arrivals: Arrivals) { self.arrivals = arrivals }

    /// Lets requests become due, counted from `start`, until there are no more or the coroutine is cancelled.
    ///
    /// `record` is told the lag of those for which no connection was free: how late they got into the queue.
    func run(from start: UInt64, record: (UInt64) -> Void) async throws {
        let timer = try LoadTimer()
        defer { timer.close() }
        while !isOver, let offset = arrivals.next() {
            let due = start + offset
            guard await timer.wait(until: due) else { break }
            scheduled += 1
            // Where it is behind it never waits, and would leave nobody else a turn.
            if scheduled.isMultiple(of: 64) { try await checkpoint() }
            if idleCount > 0 {
                backlog.append(Arrival(due: due, wasExpected: true))
                idleCount -= 1
                idle.wakeFirst()
            } else {
                record(LoadClock.now - due)
                backlog.append(Arrival(due: due, wasExpected: false))
            }
        }
    }

    /// The next request that is due, as soon as there is one; nil when the time is over.
    func next() async -> Arrival? {
        while true {
            if let arrival = takeFirst() { return arrival }
            if isOver { return nil }
            idleCount += 1
            let outcome = await Wait.park(in: idle, for: Wait.Reason("the next request is due"))
            if outcome == .cancelled { return nil }
        }
    }

    /// Ends it: nothing more is handed out but what a free connection is on its way to.
    ///
    /// - Returns: when the requests were due that nobody took.
    func end() -> [UInt64] {
        isOver = true
        idleCount = 0
        idle.wakeAll(.closed)
        let rest = backlog[head...]
        (backlog, head) = (rest.filter(\.wasExpected), 0)
        return rest.filter { !$0.wasExpected }.map(\.due)
    }

    private func takeFirst() -> Arrival? {
        guard head < backlog.count else { return nil }
        defer {
            head += 1
            if head == backlog.count {
                backlog.removeAll(keepingCapacity: true)
                head = 0
            } else if head >= 4096, head * 2 > backlog.count {
                backlog.removeFirst(head)
                head = 0
            }
        }
        return backlog[head]
    }
}
