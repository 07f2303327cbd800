// A load process: forked by LoadRun, one thread, one loop, one coroutine a connection. When its time is over and the last
// answer has come it writes its tally to the pipe and is gone.
import CSporkShims
import Glibc
import Histogram
import SporkLoop
import SporkNet
import SporkTasks

/// One process's part of a run.
final class LoadProcess {
    let plan: LoadPlan
    /// Requests as they are sent, as many as go together.
    let requests: ArraySlice<UInt8>
    let requestLength: Int
    /// For https.
    let tls: TLSContext?
    /// From here on no new request is sent.
    private(set) var end: Deadline
    var tally = LoadTally()
    /// What is due, in an open loop.
    let pacer: LoadPacer?

    /// How long requests that are out are waited for when somebody ends the run.
    private static let patience: Duration = .seconds(1)

    // How many requests this process may still send.
    private var remaining: Int?
    private let number: Int
    private let progress: LoadProgress
    private let timeline: LoadTimeline?
    private var connections: [LoadConnection] = []
    private var coroutines: [Coroutine<Void>] = []

    private init(_ plan: LoadPlan, number: Int, progress: LoadProgress, timeline: LoadTimeline?) throws {
        self.plan = plan
        self.number = number
        self.progress = progress
        self.timeline = timeline
        let request = plan.request
        requestLength = request.count
        requests = Array(repeatElement(request, count: plan.pipelining).joined())[...]
        remaining = plan.requests(of: number)
        tls = plan.target.isSecure ? try TLSContext(plan.tls, for: .client) : nil
        end = .after(plan.duration)
        pacer = plan.schedule.map { LoadPacer($0.arrivals(of: number, among: plan.processes)) }
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
        guard let remaining else { return plan.pipelining }
        let count = min(plan.pipelining, remaining)
        self.remaining = remaining - count
        return count
    }

    private func run() async {
        connections = (0..<plan.connections(of: number)).map { _ in LoadConnection(self) }
        if pacer != nil {
            // Requests that are due while connections are made would measure that.
            let preparing = connections.map { connection in spawn { await connection.prepare() } }
            _ = await joinAll(preparing)
            if !end.hasPassed { end = .fromNow(plan.duration) }
        }
        let before = SchedulerTimes.own
        let start = LoadClock.now
        let watching = [
            pacer.map { pacer in spawn("pace") { await self.pace(pacer, from: start) } } ?? spawn("measure lag", probe),
            spawn("report progress") { try await self.report(since: start) },
        ]
        coroutines = connections.map { connection in spawn { await connection.run() } }
        for coroutine in coroutines { await coroutine.join() }
        for coroutine in watching { coroutine.cancel() }
        for coroutine in watching { await coroutine.join() }
        writeTimeline(at: LoadClock.now - start)
        let after = SchedulerTimes.own
        tally.elapsed = Int(LoadClock.now - start)
        tally.demand = Int(after.running - before.running + after.waiting - before.waiting)
    }

    private func pace(_ pacer: LoadPacer, from start: UInt64) async {
        try? await pacer.run(from: start) { self.tally.lags.record($0) }
        // After the last is due the others still have until the end.
        let rest = Double(start) + plan.duration.seconds * 1e9 - Double(LoadClock.now)
        if rest > 0, isRunning { try? await sleep(for: .nanoseconds(Int64(rest))) }
        endPacing()
    }

    private func endPacing() {
        guard let pacer, !pacer.isOver else { return }
        let unsent = pacer.end()
        let now = LoadClock.now
        tally.scheduled = pacer.scheduled
        tally.unsent = unsent.count
        for due in unsent { tally.latencies.record(now - due) }
    }

    private func probe() async throws { try await LagProbe.run { self.tally.lags.record($0) } }

    private func report(since start: UInt64) async throws {
        var second: UInt64 = 1
        while true {
            try await sleep(for: .milliseconds(50))
            progress.update(row: number, responses: tally.responses, failures: tally.failureCount)
            let elapsed = LoadClock.now - start
            guard elapsed >= second * 1_000_000_000 else { continue }
            second = elapsed / 1_000_000_000 + 1
            writeTimeline(at: elapsed)
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
            for coroutine in self.coroutines { coroutine.cancel() }
        }
    }

    private static func write(_ numbers: [UInt64], to descriptor: Int32) {
        numbers.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let part = UnsafeRawBufferPointer(rebasing: rest)
                let count = Glibc.write(descriptor, part.baseAddress, part.count)
                if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return }
            }
        }
    }
}
