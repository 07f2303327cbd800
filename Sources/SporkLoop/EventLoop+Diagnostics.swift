// What can be asked of a loop that runs: counters, who waits for what, who has held it too long, who switches to whom.
//
// How long a job takes is measured by the processor's own tick counter, at a few nanoseconds a job; a job that never ends
// cannot be seen from here, only from another process.
import CSporkShims
import Glibc

extension EventLoop {
    /// Counters of a loop since its start.
    public struct Statistics: Sendable {
        /// How often the loop has looked at descriptors and timers.
        public var turns: UInt64
        /// How many jobs it has run: each is a coroutine's step from one suspension to the next.
        public var jobsRun: UInt64
        /// How many jobs it was given.
        public var jobsEnqueued: UInt64
        /// How long the longest job has kept all others waiting.
        public var longestJob: Duration
        /// How many coroutines live.
        public var coroutines: Int
    }

    /// What the loop has done so far.
    public static var statistics: Statistics {
        Statistics(
            turns: turns,
            jobsRun: spork_executor_ran(),
            jobsEnqueued: spork_executor_enqueued(),
            longestJob: .seconds(Double(spork_executor_longest()) * secondsPerTick()),
            coroutines: AnyCoroutine.liveCount
        )
    }

    /// How many jobs it has run so far: for those who ask so often that the other counters would be a burden.
    package static var jobsRun: UInt64 { spork_executor_ran() }

    /// A coroutine that has held the loop for too long.
    public struct BlockedReport: Sendable, CustomStringConvertible {
        /// Name and spawn site of the coroutine; nil when it was a task that nobody spawned.
        public let coroutine: String?
        /// How long nothing else could run.
        public let duration: Duration

        /// One line.
        public var description: String {
            "the loop was blocked for \(Int(duration.seconds * 1000)) ms by \(coroutine ?? "a task that was not spawned")"
        }
    }

    /// How long a coroutine may keep all others waiting before it is reported; nil for never.
    ///
    /// 100 ms unless it is set.
    public static var blockedLimit: Duration? = .milliseconds(100) {
        didSet { longJob = ticks(for: blockedLimit) }
    }

    /// Is told of each step of a coroutine that took longer than `blockedLimit`, once, when the step has ended.
    ///
    /// Says so on standard error unless it is set.
    public static var onBlocked: (BlockedReport) -> Void = { report in say("\(report)") }

    /// Is told of each switch: who ran last and who runs next, nil for tasks that nobody spawned.
    ///
    /// One that throws is removed. Costs nothing while it is nil.
    public static var onSwitch: ((_ from: AnyCoroutine?, _ to: AnyCoroutine?) throws -> Void)? {
        didSet {
            lastTraced = AnyCoroutine.current
            spork_executor_observe(onSwitch == nil ? nil : { job, _ in EventLoop.jobBegins(job) })
        }
    }

    /// Writes a line about the loop to standard error.
    package nonisolated static func say(_ line: String) {
        var text = "spork: \(line)\n"
        text.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// All coroutines that live: number, name, spawn site, age, what each waits for and since when, and who spawned it.
    public nonisolated static func dumpTasks() -> String {
        AnyCoroutine.all.map { "\($0.dumpLine)\n" }.joined()
    }

    // Ticks are at least this many a second on every machine that we know; a job that takes more of them is looked at closely.
    nonisolated static let fewestTicksPerSecond = 1e7
    nonisolated(unsafe) private static var longJob = ticks(for: .milliseconds(100))
    nonisolated(unsafe) private static var lastTraced: AnyCoroutine?
    private nonisolated static let start = (ticks: spork_ticks(), seconds: monotonicSeconds())

    private nonisolated static func ticks(for limit: Duration?) -> UInt64 {
        _ = start
        guard let limit else { return .max }
        return UInt64(max(0, limit.seconds) * fewestTicksPerSecond)
    }

    private nonisolated static func secondsPerTick() -> Double {
        let ticks = spork_ticks() &- start.ticks
        return ticks > 0 ? (monotonicSeconds() - start.seconds) / Double(ticks) : 0
    }

    nonisolated static func runJobs() -> UInt64 {
        spork_executor_run(jobsBetweenPolls, longJob) { job, ticks in EventLoop.jobTookLong(job, ticks) }
    }

    private nonisolated static func jobTookLong(_ job: UnsafeMutableRawPointer, _ ticks: UInt64) {
        let taken = Duration.seconds(Double(ticks) * secondsPerTick())
        let label = AnyCoroutine.label(ofTask: job)
        MainActor.assumeIsolated {
            guard let blockedLimit, taken > blockedLimit else { return }
            onBlocked(BlockedReport(coroutine: label, duration: taken))
        }
    }

    private nonisolated static func jobBegins(_ job: UnsafeMutableRawPointer) {
        let next = AnyCoroutine.running(in: job)
        nonisolated(unsafe) let (from, to) = (lastTraced, next)
        MainActor.assumeIsolated {
            do { try onSwitch?(from, to) } catch { onSwitch = nil }
        }
        lastTraced = next
    }
}

extension AnyCoroutine {
    /// The coroutine that `task` runs.
    nonisolated static func running(in task: UnsafeMutableRawPointer) -> AnyCoroutine? {
        guard let record = spork_registry_get(task) else { return nil }
        return Unmanaged<AnyCoroutine>.fromOpaque(record).takeUnretainedValue()
    }

    /// Name and spawn site of the coroutine that `task` runs, or ran until just now.
    nonisolated static func label(ofTask task: UnsafeMutableRawPointer) -> String? {
        if let coroutine = running(in: task) { return coroutine.label }
        guard lastFinished.task == task, lastFinished.job == spork_executor_ran() else { return nil }
        return label(lastFinished.name, lastFinished.file, lastFinished.line)
    }

    nonisolated var dumpLine: String {
        let age = Self.seconds(EventLoop.now - spawnedAt)
        let parent = parentID == 0 ? "" : ", spawned by #\(parentID)"
        return "#\(id) \(label), \(age) old, \(stateText)\(parent)"
    }

    private nonisolated var stateText: String {
        if !hasStarted { return "not started" }
        if Self.current === self { return "running" }
        guard let wait, !wait.isOver else { return wait == nil ? "runnable, or waits for a task" : "runnable" }
        let number = wait.reason.number >= 0 ? " \(wait.reason.number)" : ""
        return "waits to \(wait.reason.text)\(number) since \(Self.seconds(EventLoop.now - wait.since))"
    }

    private nonisolated static func seconds(_ seconds: Double) -> String {
        let tenths = Int(max(0, seconds) * 10)
        return "\(tenths / 10).\(tenths % 10) s"
    }
}
