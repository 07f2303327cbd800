// A load process: forked by LoadRun, one thread, one loop, one coroutine a connection. When its time is over and the last
// answer has come it writes its tally to the pipe and is gone.
import CSporkShims
import Glibc
import Histogram
import SporkLoop
import SporkTasks

/// One process's part of a run.
final class LoadProcess {
    let plan: LoadPlan
    let request: [UInt8]
    /// From here on no new request is sent.
    private(set) var end: Deadline
    var tally = LoadTally()

    private let number: Int
    private let progress: LoadProgress
    private var connections: [LoadConnection] = []

    private init(_ plan: LoadPlan, number: Int, progress: LoadProgress) {
        self.plan = plan
        self.number = number
        self.progress = progress
        request = plan.request
        end = .after(plan.duration)
    }

    /// The child's whole life.
    static func run(_ plan: LoadPlan, number: Int, progress: LoadProgress, report: Int32) -> Never {
        do {
            try EventLoop.run {
                let process = LoadProcess(plan, number: number, progress: progress)
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

    /// Whether new requests may still be sent.
    var isRunning: Bool { !end.hasPassed }

    private func run() async {
        connections = (0..<plan.connections(of: number)).map { _ in LoadConnection(self) }
        let coroutines = connections.map { connection in spawn { await connection.run() } }
        let before = SchedulerTimes.own
        let start = LoadClock.now
        let probing = spawn("measure lag") { try await LagProbe.run { self.tally.lags.record($0) } }
        let reporting = spawn("report progress") {
            while true {
                try await sleep(for: .milliseconds(50))
                self.progress.update(
                    row: self.number,
                    responses: self.tally.responses,
                    failures: self.tally.failureCount
                )
            }
        }
        for coroutine in coroutines { await coroutine.join() }
        reporting.cancel()
        probing.cancel()
        let after = SchedulerTimes.own
        tally.elapsed = Int(LoadClock.now - start)
        tally.demand = Int(after.running - before.running + after.waiting - before.waiting)
    }

    private func endNow() { end = .after(.zero) }

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
