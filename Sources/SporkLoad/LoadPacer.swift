// Hands out requests when they are due, in an open loop. The loop tells it when the next moment has come, and so does every connection
// that has had an answer; a connection that has nothing to do waits in its origin's lane and sends at once, and one that comes from an
// answer takes what is overdue. What nobody takes is kept: it was due, and it counts.
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
    ///
    /// A processor that sleeps takes tens of microseconds to wake up, more in a virtual machine; this costs the processor's time instead.
    private let spinning: UInt64
    // Each URL's lane, and the next URL.
    private let laneOfURL: [Int]
    private var nextURL: Int

    /// How many are handed out before whoever else has something to do has its turn, where it is behind.
    private static let mostInTurn = 64

    // The present run: from when its moments count, those to come, the next of them, and what the timer was set to for it.
    private var run: Run?
    @exclusivity(unchecked) private var due = UInt64.max
    private let finished = Event()
    // While it looks at the clock instead of sleeping: since when, and how much the process had done by then.
    private var spins: (since: UInt64, work: Int)?

    private struct Run {
        var arrivals: Arrivals
        let start: UInt64
        let isCounted: Bool
        unowned(unsafe) let account: any LoadPacerAccount
        let timer: LoadTimer
    }

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
        run = Run(arrivals: arrivals, start: start, isCounted: isCounted, account: account, timer: timer)
        finished.clear()
        defer {
            (run, due, spins) = (nil, .max, nil)
            timer.close()
        }
        if isOver { return }
        takeNext()
        handOut(at: LoadClock.now)
        setTimer()
        timer.observe(self)
        try await finished.wait()
    }

    /// Hands out what is due at `now`: for those who have just looked at the clock.
    @inline(__always)
    func handOut(at now: UInt64) { if due <= now { handOutSome(at: now) } }

    // Each is sent before the next is looked for, which takes its time.
    private func handOutSome(at now: UInt64) {
        var (now, count) = (now, 0)
        while due <= now, count < Self.mostInTurn, let run {
            let moment = due
            takeNext()
            if run.isCounted { scheduled += 1 }
            let isFree = lanes[laneOfURL[nextURL]].add(moment, url: nextURL)
            nextURL = nextURL + 1 == laneOfURL.count ? 0 : nextURL + 1
            now = LoadClock.now
            if !isFree, run.isCounted { run.account.recordLag(now - moment) }
            count += 1
        }
        if due < .max { setTimer() }
    }

    private func takeNext() {
        guard !isOver, let offset = run?.arrivals.next(), let start = run?.start else {
            due = .max
            return finished.set()
        }
        due = start + offset
    }

    private func setTimer() { run?.timer.set(due - min(due, spinning)) }

    private func timerFired() {
        guard let run else { return }
        let now = LoadClock.now
        if let spins, run.account.workDone == spins.work { run.account.recordSpinning(now - spins.since) }
        handOut(at: now)
        guard due < .max else { return }
        // What was handed out may have taken as long as until the next.
        spins = spinning > 0 && due - min(due, spinning) <= now ? (now, run.account.workDone) : nil
        run.timer.observe(self)
    }

    /// Ends it: nothing more is handed out.
    ///
    /// - Returns: when the requests were due that nobody took.
    func end() -> [UInt64] {
        isOver = true
        due = .max
        finished.set()
        return lanes.flatMap { $0.end() }
    }
}

extension LoadPacer: ReadinessObserver {
    nonisolated func readinessEnded(_ outcome: Wait.Outcome) {
        MainActor.assumeIsolated { if outcome == .woken { timerFired() } }
    }
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
