// An open loop's part of a load process: when requests are due, what becomes of those that nobody took, and of the time that was spent on
// waiting for the next one. Part of LoadProcess, which runs `pace` as a coroutine of its own.
import Glibc
import Histogram
import SporkLoop
import SporkNet
import SporkTasks

extension LoadProcess: LoadPacerAccount {
    /// Lets requests become due, those that warm up first, until the run's time is over.
    ///
    /// Without a timer nothing would ever be sent, and the run would report that nothing is wrong: then the process ends.
    func pace(_ pacer: LoadPacer, from begun: UInt64) async {
        do { try await handOut(by: pacer, from: begun) } catch {
            EventLoop.say("a load process cannot wait for its requests' times: \(error)")
            _exit(1)
        }
    }

    private func handOut(by pacer: LoadPacer, from begun: UInt64) async throws(SystemError) {
        guard let schedule = plan.schedule else { return }
        if isWarmingUp {
            let warmUp = schedule.warmUp(over: start - begun).arrivals(of: number, among: plan.processes)
            try await run(pacer, warmUp, from: begun, isCounted: false)
            if pacer.isOver { return }
            let timer = try LoadTimer()
            _ = await timer.wait(until: start)
            timer.close()
            if pacer.isOver { return }
            beginCounting()
        }
        let arrivals = schedule.arrivals(of: number, among: plan.processes)
        try await run(pacer, arrivals, from: start, isCounted: true)
        // After the last is due the others still have until the end.
        let rest = Double(start) + plan.duration.seconds * 1e9 - Double(LoadClock.now)
        if rest > 0, isRunning { try? await sleep(for: .nanoseconds(Int64(rest))) }
        endPacing()
    }

    // One that is cancelled has ended early, and what it leaves is counted as ever.
    private func run(
        _ pacer: LoadPacer,
        _ arrivals: Arrivals,
        from start: UInt64,
        isCounted: Bool
    ) async throws(SystemError) {
        do { try await pacer.run(arrivals, from: start, isCounted: isCounted, account: self) } catch {
            if let error = error as? SystemError { throw error }
        }
    }

    /// Nothing becomes due any more; what nobody took was not sent.
    func endPacing() {
        guard let pacer, !pacer.isOver else { return }
        let unsent = pacer.end()
        let now = LoadClock.now
        tally.scheduled = pacer.scheduled
        for due in unsent where due >= start { countUnsent(due, at: now) }
    }

    private func countUnsent(_ due: UInt64, at now: UInt64) {
        tally.unsent += 1
        tally.latencies.record(now - due)
    }

    var workDone: Int { tally.sent &+ tally.responses }

    func recordLag(_ lag: UInt64) { tally.lags.record(lag) }

    func recordSpinning(_ time: UInt64) { tally.spun += Int(time) }
}
