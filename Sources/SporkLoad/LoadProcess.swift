// A load process: forked by LoadRun, one thread, one loop, and connections that have a coroutine only while they need
// one. When its time is over and the last answer has come it writes its tally to the pipe and is gone. What is sent while it warms up
// is not counted, and neither are the answers to that.
import CSporkShims
import Glibc
import Histogram
import SporkLoop
import SporkNet
import SporkTasks

/// One process's part of a run.
final class LoadProcess {
    let plan: LoadPlan
    let origins: [LoadOrigin]
    /// By URL: requests as they are sent, as many as go together, how long one is, and where its number stands.
    let requests: [ArraySlice<UInt8>]
    let requestLengths: [Int]
    let numberPlaces: [[Int]]
    let isEcho: [Bool]
    /// Whether there are several URLs, which are counted apart.
    let countsURLs: Bool
    /// Whether a bad status is an error, which it is unless statuses are expected.
    let judgesStatus: Bool
    /// For https.
    let tls: TLSContext?
    /// What answers are compared with, where they are.
    let answers: LoadAnswers?
    /// From here on no new request is sent.
    private(set) var end: Deadline
    /// When counting begins, on the generator's clock.
    private(set) var start: UInt64 = 0
    /// Whether requests that are sent now are not counted.
    private(set) var isWarmingUp = false
    var tally = LoadTally()
    /// Every request by its number, where a ledger is kept.
    var ledger = LoadLedger()
    /// What is due, in an open loop.
    let pacer: LoadPacer?

    /// How long requests that are out are waited for when somebody ends the run.
    private static let patience: Duration = .seconds(1)

    /// For an answer, in seconds.
    let timeout: Double

    /// How many connections are made for the first time at the same time.
    ///
    /// What connecting needs for a moment would otherwise be there for all of them at once, and stay.
    private static let preparedAtOnce = 128

    // How many requests this process may still send.
    private var remaining: Int?
    // By origin: which of its URLs is next.
    private var turns: [Int]
    let number: Int
    private let progress: LoadProgress
    private let timeline: LoadTimeline?
    private var connections: [LoadConnection] = []
    // How many of them have not ended.
    private var unfinished = 0
    private let finished = Event()
    private var preparing: [Coroutine<Void>] = []
    private var schedulerTimes = SchedulerTimes.own

    private init(_ plan: LoadPlan, number: Int, progress: LoadProgress, timeline: LoadTimeline?) throws {
        self.plan = plan
        self.number = number
        self.progress = progress
        self.timeline = timeline
        timeout = plan.timeout.seconds
        let origins = LoadOrigin.all(of: plan.targets)
        self.origins = origins
        let requests = plan.targets.map(plan.request)
        requestLengths = requests.map(\.count)
        numberPlaces = plan.keepsLedger ? requests.map(LoadNumber.places) : requests.map { _ in [] }
        self.requests = requests.map { Array(repeatElement($0, count: plan.pipelining).joined())[...] }
        isEcho = plan.targets.map(\.isEcho)
        countsURLs = plan.targets.count > 1
        judgesStatus = plan.expectation.statuses.isEmpty
        turns = origins.map { number % $0.urls.count }
        remaining = plan.requests(of: number)
        tls = plan.targets.contains(where: \.isSecure) ? try TLSContext(plan.tls, for: .client) : nil
        answers = plan.expectation.isNothing ? nil : LoadAnswers(plan.expectation, urls: plan.targets.count)
        end = .never
        let spinning = UInt64(plan.spinning.seconds * 1e9)
        pacer = plan.schedule.map { _ in LoadPacer(origins, first: number, spinning: spinning) }
    }

    /// The child's whole life.
    static func run(
        _ plan: LoadPlan,
        number: Int,
        progress: LoadProgress,
        timeline: LoadTimeline?,
        report: Int32
    ) -> Never {
        do {
            try EventLoop.run {
                let process = try LoadProcess(plan, number: number, progress: progress, timeline: timeline)
                let stop = SignalWatcher(SIGTERM) { MainActor.assumeIsolated { process.endNow() } }
                spork_unblock_signals()
                await process.run()
                withExtendedLifetime(stop) {}
                write(process.tally.encoded, to: report)
            }
            _exit(0)
        } catch {
            _exit(1)
        }
    }

    /// Whether the time for new requests is not over.
    var isRunning: Bool { !end.hasPassed }

    /// How many requests a connection of a closed loop is to send next; 0 when there is nothing more to do.
    func takeRequests() -> Int {
        guard isRunning else { return 0 }
        guard let remaining, !isWarmingUp else { return plan.pipelining }
        let count = min(plan.pipelining, remaining)
        self.remaining = remaining - count
        return count
    }

    /// The URL that a connection to an origin is to ask for next, in a closed loop.
    func takeURL(of origin: Int) -> Int {
        let urls = origins[origin].urls
        guard urls.count > 1 else { return urls[0] }
        defer { turns[origin] = (turns[origin] + 1) % urls.count }
        return urls[turns[origin]]
    }

    /// The number of a request among those of all processes, from its number in this process's ledger.
    func name(of request: Int) -> Int { request * plan.processes + number }

    /// What a connection looks at its answers with; nil where nothing is to be looked at.
    func makeInspection() -> LoadInspection? {
        answers != nil || plan.keepsLedger || isEcho.contains(true) ? LoadInspection(self) : nil
    }

    private func run() async {
        // Each process has connections to all origins, and not each the same number of them.
        connections = (0..<plan.connections(of: number)).map { index in
            LoadConnection(self, origin: (index + number) % origins.count)
        }
        isWarmingUp = plan.warmUp > .zero
        start = .max
        unfinished = connections.count
        // Requests that are due while connections are made would measure that. A server that is busy with those that it has may take very
        // long to accept more.
        if pacer != nil || plan.keepsAlive { await prepare() }
        if end == .never { end = .fromNow(plan.warmUp + plan.duration) }
        let begun = LoadClock.now
        start = begun + UInt64(plan.warmUp.seconds * 1e9)
        if !isWarmingUp { beginCounting() }
        let watching = [
            pacer.map { pacer in spawn("pace") { await self.pace(pacer, from: begun) } } ?? spawn("measure lag", probe),
            spawn("report progress", report),
        ]
        for (index, connection) in connections.enumerated() {
            connection.start()
            // The first answers are not to wait until the last of very many requests is sent. Where requests are counted, each connection is
            // to have its share.
            if remaining == nil, (index + 1).isMultiple(of: Self.startedAtOnce) { await EventLoop.stepBack() }
        }
        try? await finished.wait()
        for coroutine in watching { coroutine.cancel() }
        for coroutine in watching { await coroutine.join() }
        // One look at the clock: a run that ends while it warms up ends before counting would have begun.
        let now = LoadClock.now
        writeTimeline(at: now - min(start, now))
        endCounting()
    }

    /// How many connections send their first requests before others have their turn.
    private static let startedAtOnce = 64

    private func prepare() async {
        let count = min(Self.preparedAtOnce, connections.count)
        preparing = (0..<count).map { first in
            spawn("connect") { [self] in
                // Where nobody answers, the requests find out by themselves.
                for index in stride(from: first, to: connections.count, by: count) {
                    guard await connections[index].prepare() else { return }
                }
            }
        }
        _ = await joinAll(preparing)
        preparing = []
    }

    /// One of the connections has nothing more to do.
    func connectionEnded() {
        unfinished -= 1
        if unfinished == 0 { finished.set() }
    }

    func beginCounting() {
        let isAfterWarmUp = isWarmingUp
        isWarmingUp = false
        tally = LoadTally()
        tally.urls = countsURLs ? plan.targets.map { _ in .init() } : []
        schedulerTimes = .own
        progress.begin(row: number)
        guard isAfterWarmUp else { return }
        let used = Self.processorTime()
        (tally.uncountedUser, tally.uncountedSystem) = used
    }

    private func endCounting() {
        let after = SchedulerTimes.own
        if isWarmingUp { return tally = LoadTally() }
        tally.elapsed = Int(LoadClock.now - start)
        let demand = after.running - schedulerTimes.running + after.waiting - schedulerTimes.waiting
        tally.demand = max(0, Int(demand) - tally.spun)
        if plan.keepsLedger { tally.ledger = ledger.totals }
    }

    private func probe() async throws {
        if isWarmingUp {
            try await sleep(for: plan.warmUp)
            start = LoadClock.now
            if isRunning { beginCounting() }
        }
        try await LagProbe.run { self.tally.lags.record($0) }
    }

    private func report() async throws {
        var (turn, second) = (0, UInt64(1))
        while true {
            try await sleep(for: .milliseconds(50))
            progress.update(row: number, responses: tally.responses, failures: tally.errorCount)
            turn += 1
            // The whole histogram is walked: seldom, and only for somebody who looks.
            if progress.isWatched, turn.isMultiple(of: 5) { progress.update(row: number, tally.latencies) }
            let now = LoadClock.now
            guard !isWarmingUp, now > start, now - start >= second * 1_000_000_000 else { continue }
            second = (now - start) / 1_000_000_000 + 1
            writeTimeline(at: now - start)
        }
    }

    private func writeTimeline(at elapsed: UInt64) {
        guard let timeline else { return }
        var count = LoadTimeline.Count()
        (count.nanoseconds, count.requests) = (Int(elapsed), tally.responses)
        (count.errors, count.bytes) = (tally.errorCount, tally.bytesRead)
        count.latencies = CoarseLatencies(tally.latencies)
        timeline.write(count, process: number)
    }

    // Somebody wants the report now: what is out gets a little time, and none when it is said again.
    private func endNow() {
        let isFirst = !end.hasPassed
        end = .after(.zero)
        endPacing()
        spawn("end the run", after: isFirst ? Self.patience : .zero) {
            for coroutine in self.preparing { coroutine.cancel() }
            for connection in self.connections { connection.cancel() }
        }
    }

    private static func processorTime() -> (user: Int, system: Int) {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        func microseconds(_ time: timeval) -> Int { Int(time.tv_sec) * 1_000_000 + Int(time.tv_usec) }
        return (microseconds(usage.ru_utime), microseconds(usage.ru_stime))
    }

    private static func write(_ numbers: [UInt64], to descriptor: Int32) {
        numbers.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let part = UnsafeRawBufferPointer(rebasing: rest)
                let count = Glibc.write(descriptor, part.baseAddress, part.count)
                if count >= 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return }
            }
        }
    }
}
