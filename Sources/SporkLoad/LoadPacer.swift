// Hands out requests when they are due, in an open loop. One coroutine waits for the moments; a connection that has nothing to do
// waits in its origin's lane, and one that comes from an answer takes what is overdue. What nobody takes is kept: it was due, and it
// counts.
import Glibc
import SporkLoop
import SporkTasks

/// The requests of one process that are due.
final class LoadPacer {
    /// A request that is due.
    struct Arrival {
        /// The moment at which it should have been sent, on the generator's clock.
        var due: UInt64
        /// The number of its URL.
        var url: Int
        /// Whether a connection was free for it: then whatever passes until it is sent is the generator's own lag.
        var wasExpected: Bool
    }

    /// One for each origin.
    let lanes: [LoadLane]
    /// How many have been due so far.
    private(set) var scheduled = 0
    private(set) var isOver = false
    /// For how many nanoseconds before a moment it does not sleep.
    private let spinning: UInt64
    // Each URL's lane, and the next URL.
    private let laneOfURL: [Int]
    private var nextURL: Int

    /// - Parameter first: the number of the URL that comes first, so that processes do not all begin with the same one.
    init(_ origins: [LoadOrigin], first: Int, spinning: UInt64) {
        lanes = origins.map { _ in LoadLane() }
        let count = origins.reduce(0) { $0 + $1.urls.count }
        var lane = [Int](repeating: 0, count: count)
        for (number, origin) in origins.enumerated() { for url in origin.urls { lane[url] = number } }
        laneOfURL = lane
        nextURL = first % count
        self.spinning = spinning
    }

    /// Lets requests become due, counted from `start`, until there are no more or the coroutine is cancelled.
    ///
    /// - Parameters:
    ///   - isCounted: false for what only warms up.
    ///   - account: is told of lag and of spinning.
    func run(_ arrivals: Arrivals, from start: UInt64, isCounted: Bool, account: any LoadPacerAccount) async throws {
        let timer = try LoadTimer()
        defer { timer.close() }
        var arrivals = arrivals
        var count = 0
        while !isOver, let offset = arrivals.next() {
            let due = start + offset
            guard await timer.wait(until: due, spinning: spinning, account: account), !isOver else { break }
            count += 1
            if isCounted { scheduled += 1 }
            // Where it is behind it never waits, and would leave nobody else a turn.
            if count.isMultiple(of: 64) { try await checkpoint() }
            let isFree = lanes[laneOfURL[nextURL]].add(due, url: nextURL)
            if !isFree, isCounted { account.recordLag(LoadClock.now - due) }
            nextURL = nextURL + 1 == laneOfURL.count ? 0 : nextURL + 1
        }
    }

    /// Ends it: nothing more is handed out but what a free connection is on its way to.
    ///
    /// - Returns: when the requests were due that nobody took.
    func end() -> [UInt64] {
        isOver = true
        return lanes.flatMap { $0.end() }
    }

    /// What was meant for free connections that have ended instead, at the very end: when it was due.
    func takeRest() -> [UInt64] { lanes.flatMap { $0.takeRest() } }
}

/// Who keeps account of what a pacer does.
protocol LoadPacerAccount: AnyObject {
    /// Grows with everything that the process does beside spinning.
    var workDone: Int { get }
    /// A request for which no connection was free got into the queue so late, in nanoseconds.
    func recordLag(_ lag: UInt64)
    /// So many nanoseconds were spent on nothing but waiting.
    func recordSpinning(_ time: UInt64)
}

/// The requests to one origin that are due, and the connections that wait for one.
final class LoadLane {
    // From the head on is overdue; what is before was handed out.
    private var backlog: [LoadPacer.Arrival] = []
    private var head = 0
    private let idle = WaitList()
    private var idleCount = 0
    private var isOver = false

    /// A request is due; whether a connection is free for it.
    fileprivate func add(_ due: UInt64, url: Int) -> Bool {
        let isFree = idleCount > 0
        backlog.append(.init(due: due, url: url, wasExpected: isFree))
        if isFree {
            idleCount -= 1
            idle.wakeFirst()
        }
        return isFree
    }

    /// The next request that is due, as soon as there is one; nil when the time is over.
    func next() async -> LoadPacer.Arrival? {
        while true {
            if let arrival = takeFirst() { return arrival }
            if isOver { return nil }
            idleCount += 1
            let outcome = await Wait.park(in: idle, for: Wait.Reason("the next request is due"))
            if outcome == .cancelled { return nil }
        }
    }

    fileprivate func end() -> [UInt64] {
        isOver = true
        idleCount = 0
        idle.wakeAll(.closed)
        let rest = backlog[head...]
        (backlog, head) = (rest.filter(\.wasExpected), 0)
        return rest.filter { !$0.wasExpected }.map(\.due)
    }

    fileprivate func takeRest() -> [UInt64] {
        defer { (backlog, head) = ([], 0) }
        return backlog[head...].map(\.due)
    }

    private func takeFirst() -> LoadPacer.Arrival? {
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
