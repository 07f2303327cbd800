// Runs a plan: forks the load processes, shows how it goes, collects what they counted. The parent has no loop and no
// task; like the server's master it reads signals from a descriptor and waits in one place.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet

/// One run of load, from the first connection to the last answer.
public struct LoadRun {
    /// What came of a run.
    public struct Result {
        /// All processes' counts.
        public var tally = LoadTally()
        /// When the first process was started, in seconds since 1970.
        public var began: Double = 0
        /// How long requests were sent, in seconds.
        public var seconds: Double = 0
        /// The generator's own processor time, in seconds.
        public var userSeconds: Double = 0
        /// The part of it in the kernel.
        public var systemSeconds: Double = 0
        /// Each process's requests a second, sampled ten times a second.
        public var rates: [Double] = []
        /// Whether a signal ended it before its time.
        public var isInterrupted = false
        /// Processes that died instead of reporting.
        public var lostProcesses = 0
        /// What the server used meanwhile; nil when it was not watched.
        public var server: ServerReport?
        /// How it went second by second; empty when nobody asked.
        public var timeline: [TimelineRow] = []
    }

    /// Whether there is a terminal to show progress on.
    public static var canShowProgress: Bool { LiveLine.isPossible }

    /// Who looks at the run and at the server meanwhile.
    public var observer: RunObserver?

    private let plan: LoadPlan
    private let showsProgress: Bool
    /// Whether these signals stay blocked when it is over, for another run that follows: what comes in between ends that one.
    var leavesSignalsBlocked = false

    /// Prepares a run of `plan`.
    ///
    /// `showsProgress` draws a line on standard error and keeps it up to date.
    public init(_ plan: LoadPlan, showsProgress: Bool) {
        self.plan = plan
        self.showsProgress = showsProgress
    }

    /// Runs it.
    ///
    /// INT, TERM, HUP and QUIT end it early, with what there is.
    ///
    /// - Throws: `SystemError` when processes cannot be made.
    public func run() throws -> Result {
        try DescriptorLimit.allow(plan.connections(of: 0))
        guard let progress = LoadProgress(processes: plan.processes, isWatched: showsProgress) else {
            throw SystemError("map memory", number: errno)
        }
        defer { progress.unmap() }
        let numbers = Interrupt.signals
        let signals = spork_signal_descriptor(numbers, numbers.count)
        guard signals >= 0 else { throw SystemError("signalfd", number: -signals) }
        defer {
            Glibc.close(signals)
            if !leavesSignalsBlocked { spork_unblock_signals() }
        }
        observer?.begin(processes: plan.processes, warmsUp: plan.warmUp > .zero)
        let before = Self.childrenTimes()
        var reports: [LoadReportPipe] = []
        do {
            for process in 0..<plan.processes {
                reports.append(try fork(process, progress, signals))
            }
        } catch {
            for report in reports { report.abandon() }
            throw error
        }
        var result = Result()
        var wall = timespec()
        clock_gettime(CLOCK_REALTIME, &wall)
        result.began = Double(wall.tv_sec) + Double(wall.tv_nsec) / 1e9
        // Nil until all processes count.
        var start: Double?
        var sampler: RateSampler?
        let begins = progress.begins
        while let news = LoadReportPipe.wait(for: &reports, signals: signals, begins: begins, milliseconds: 100) {
            if news == .begin { progress.takeBegins() }
            if news == .signal {
                var sender: pid_t = 0
                while spork_take_signal(signals, &sender) != 0 { result.isInterrupted = true }
                for report in reports { report.askToEnd() }
            }
            let now = EventLoop.monotonicSeconds()
            if start == nil, progress.isCounting {
                start = now
                observer?.countingBegins()
                sampler = RateSampler(processes: plan.processes, progress)
            }
            let elapsed = start.map { now - $0 }
            if let elapsed { observer?.look(at: elapsed) }
            if let elapsed, elapsed < plan.duration.seconds {
                result.rates += sampler?.sample(progress) ?? []
            }
            if showsProgress {
                let length = plan.requests == nil ? plan.duration.seconds : nil
                LiveLine.show(progress.total, elapsed: elapsed, of: length)
            }
        }
        if showsProgress { LiveLine.clear() }
        let elapsed = start.map { EventLoop.monotonicSeconds() - $0 } ?? 0
        result.seconds = result.isInterrupted ? min(elapsed, plan.duration.seconds) : plan.duration.seconds
        for report in reports {
            if let tally = report.tally { result.tally.add(tally) } else { result.lostProcesses += 1 }
        }
        // What ends with its requests lasts as long as they do.
        if plan.requests != nil { result.seconds = min(Double(result.tally.elapsed) / 1e9, result.seconds) }
        let after = Self.childrenTimes()
        result.userSeconds = max(0, after.user - before.user - Double(result.tally.uncountedUser) / 1e6)
        result.systemSeconds = max(0, after.system - before.system - Double(result.tally.uncountedSystem) / 1e6)
        observer?.end(&result)
        return result
    }

    private func fork(_ process: Int, _ progress: LoadProgress, _ signals: Int32) throws -> LoadReportPipe {
        var ends: [Int32] = [-1, -1]
        let failure = -spork_pipe(&ends)
        guard failure == 0 else { throw SystemError("pipe", number: failure) }
        let parent = getpid()
        let pid = spork_fork()
        guard pid >= 0 else {
            for end in ends { Glibc.close(end) }
            throw SystemError("fork", number: -pid)
        }
        if pid > 0 {
            Glibc.close(ends[1])
            return LoadReportPipe(pid: pid, descriptor: ends[0])
        }
        Glibc.close(ends[0])
        Glibc.close(signals)
        spork_reset_signals()
        // Ctrl-C reaches the whole foreground group; the parent decides what it means.
        for number in [SIGINT, SIGHUP, SIGQUIT, SIGPIPE] { spork_ignore_signal(number) }
        // Load that nobody counts any more shall not go on.
        guard spork_die_with_parent(parent) == 0 else { _exit(1) }
        let timeline = observer?.timeline
        LoadProcess.run(plan, number: process, progress: progress, timeline: timeline, report: ends[1])
    }

    private static func childrenTimes() -> (user: Double, system: Double) {
        var usage = rusage()
        getrusage(RUSAGE_CHILDREN.rawValue, &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
        return (seconds(usage.ru_utime), seconds(usage.ru_stime))
    }
}

/// Turns growing counters into requests a second of each process.
///
/// Processes write down how far they are and when that was, every now and then: what lies between two such moments is divided by the
/// time between them, not by that between two looks.
struct RateSampler {
    /// Anything shorter would measure how requests happen to fall into it, in nanoseconds.
    private static let shortest: UInt64 = 90_000_000

    private var last: [(count: Int, moment: UInt64)]

    init(processes: Int, _ progress: LoadProgress) { last = (0..<processes).map { progress.responses(row: $0) } }

    mutating func sample(_ progress: LoadProgress) -> [Double] {
        last.indices.compactMap { row in
            let now = progress.responses(row: row)
            guard now.moment >= last[row].moment + Self.shortest else { return nil }
            defer { last[row] = now }
            return Double(now.count - last[row].count) / Double(now.moment - last[row].moment) * 1e9
        }
    }
}
