// The master: forks the workers, waits for signals and for their end, and replaces them. It runs no task, no loop, no user
// code, and has one thread; everything that can fail is left to the workers. Its decisions are Supervision's.
//
// All signals it cares for are blocked and read from one descriptor, so nothing happens in a handler and nothing can be
// missed between looking and sleeping.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet
import SporkTasks

/// The process that forks workers and keeps their number.
public final class Master {
    /// What happened to the workers, for a log.
    public enum Report: CustomStringConvertible {
        /// A worker ended without having been asked to.
        case ended(slot: Int, pid: Int32, reason: String)
        /// The system refused to fork.
        case forkFailed(slot: Int, error: SystemError)
        /// A signal whose meaning this version does not have.
        case ignored(signal: String)

        /// One line.
        public var description: String {
            switch self {
            case .ended(let slot, let pid, let reason): "worker \(slot) (pid \(pid)) \(reason); it is replaced"
            case .forkFailed(let slot, let error): "worker \(slot) could not be started: \(error); trying again"
            case .ignored(let signal): "\(signal) is ignored: this version cannot do what it asks for"
            }
        }
    }

    /// How long workers may finish what they have begun once they were told to end.
    public var gracefulTimeout: Duration = .seconds(30)

    private let listeners: [Listener]
    private let workers: Int
    private let report: (Report) -> Void
    private let body: @MainActor (Worker) async throws -> Void
    private var signals: Int32 = -1
    // Workers hold the other end; when the master is gone, however it went, they read the end of it.
    private var lifeline: Int32 = -1
    private var lifelineForWorkers: Int32 = -1

    /// Prepares `workers` processes that each run `body` on a loop of their own.
    ///
    /// - Parameters:
    ///   - listeners: shared by all workers; the master keeps them open, so that no connection is refused while a
    ///     worker is replaced.
    ///   - workers: how many, at least 1.
    ///   - report: told about what an operator should know.
    ///   - body: runs in each worker until it drains.
    public init(
        listeners: [Listener],
        workers: Int,
        report: @escaping (Report) -> Void,
        body: @escaping @MainActor (Worker) async throws -> Void
    ) {
        self.listeners = listeners
        self.workers = workers
        self.report = report
        self.body = body
    }

    /// Forks the workers, calls `started`, and supervises until a signal ends it and the last worker is gone.
    ///
    /// TERM and QUIT end it when what has begun is finished, INT at once; a second one kills. TTIN and TTOU add and
    /// remove a worker. Has to be called on the process's only thread.
    ///
    /// - Throws: `SystemError` when the system refuses what supervision needs; no worker is left then.
    public func run(started: () -> Void) throws {
        guard spork_thread_count() == 1 else {
            throw SystemError("fork workers from a process with several threads", number: EINVAL)
        }
        try openDescriptors()
        var limits = Supervision.Limits()
        limits.graceful = gracefulTimeout.seconds
        var supervision = Supervision(limits: limits)
        var isFinished = perform(supervision.start(workers: workers), on: &supervision)
        started()
        while !isFinished {
            waitForNews(until: supervision.nextDeadline)
            // Before the children: a stop explains why they end.
            for event in takeSignals() {
                isFinished = perform(supervision.on(event, at: Self.now), on: &supervision) || isFinished
            }
            while let (pid, status) = Self.reap() {
                reportEnd(of: pid, status: status, supervision)
                isFinished = perform(supervision.on(.ended(pid: pid), at: Self.now), on: &supervision) || isFinished
            }
            isFinished = perform(supervision.on(.timePassed, at: Self.now), on: &supervision) || isFinished
        }
        for listener in listeners {
            listener.removeSocketFile()
            listener.close()
        }
    }

    private func openDescriptors() throws {
        var ends: [Int32] = [-1, -1]
        let failure = -spork_pipe(&ends)
        guard failure == 0 else { throw SystemError("pipe", number: failure) }
        (lifelineForWorkers, lifeline) = (ends[0], ends[1])
        let numbers = [SIGTERM, SIGQUIT, SIGINT, SIGTTIN, SIGTTOU, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGCHLD]
        signals = spork_signal_descriptor(numbers, numbers.count)
        guard signals >= 0 else { throw SystemError("signalfd", number: -signals) }
    }

    /// Does what supervision asks for.
    ///
    /// True when there is nothing left to do.
    private func perform(_ actions: [Supervision.Action], on supervision: inout Supervision) -> Bool {
        var isFinished = false
        for action in actions {
            switch action {
            case .fork(let slot):
                let answer = fork(slot: slot)
                isFinished = perform(supervision.on(answer, at: Self.now), on: &supervision) || isFinished
            case .drain(let pid): Glibc.kill(pid, SIGTERM)
            case .quit(let pid): Glibc.kill(pid, SIGQUIT)
            case .kill(let pid): Glibc.kill(pid, SIGKILL)
            case .finish: isFinished = true
            }
        }
        return isFinished
    }

    private func fork(slot: Int) -> Supervision.Event {
        let pid = spork_fork()
        if pid == 0 { runWorker(slot: slot) }
        if pid > 0 { return .forked(slot: slot, pid: pid) }
        report(.forkFailed(slot: slot, error: SystemError("fork", number: -pid)))
        return .forkFailed(slot: slot)
    }

    private func runWorker(slot: Int) -> Never {
        Glibc.close(signals)
        Glibc.close(lifeline)
        spork_reset_signals()
        // Ctrl-C reaches the whole foreground group; the master decides what it means. A peer that is gone is an error
        // of the write, not of the process.
        spork_ignore_signal(SIGINT)
        spork_ignore_signal(SIGPIPE)
        let (listeners, lifeline, body) = (listeners, lifelineForWorkers, body)
        do {
            try EventLoop.run {
                let worker = Worker(slot: slot, listeners: listeners)
                let drain = SignalWatcher(SIGTERM) { MainActor.assumeIsolated { worker.draining.set() } }
                let quit = SignalWatcher(SIGQUIT) { _exit(0) }
                spork_unblock_signals()
                spawn("watch the master") {
                    _ = await Readiness(descriptor: lifeline).readable()
                    worker.draining.set()
                }
                try await body(worker)
                withExtendedLifetime((drain, quit)) {}
            }
            _exit(0)
        } catch {
            let line = "worker \(slot) (pid \(getpid())): \(error)\n"
            _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
            _exit(1)
        }
    }

    private func waitForNews(until deadline: Double?) {
        var request = pollfd(fd: signals, events: Int16(POLLIN), revents: 0)
        // Rounded up: waking a moment before the deadline would only mean another round.
        let milliseconds = deadline.map { Int32(min(max(0, ($0 - Self.now) * 1000).rounded(.up), 3_600_000)) } ?? -1
        _ = poll(&request, 1, milliseconds)
    }

    private func takeSignals() -> [Supervision.Event] {
        var events: [Supervision.Event] = []
        var sender: pid_t = 0
        while true {
            switch spork_take_signal(signals, &sender) {
            case 0: return events
            case SIGTERM, SIGQUIT: events.append(.stopGracefully)
            case SIGINT: events.append(.stopFast)
            case SIGTTIN: events.append(.grow)
            case SIGTTOU: events.append(.shrink)
            case SIGHUP: report(.ignored(signal: "HUP"))
            case SIGUSR1: report(.ignored(signal: "USR1"))
            case SIGUSR2: report(.ignored(signal: "USR2"))
            // A terminal that changes its size says so to everyone in it.
            default: continue
            }
        }
    }

    private func reportEnd(of pid: pid_t, status: Int32, _ supervision: Supervision) {
        guard let slot = supervision.slot(of: pid), !supervision.expectsEnd(of: pid) else { return }
        let signal = status & 0x7F
        let reason = signal == 0 ? "ended with exit code \(status >> 8 & 0xFF)" : "was ended by signal \(signal)"
        report(.ended(slot: slot, pid: pid, reason: reason))
    }

    private static func reap() -> (pid_t, Int32)? {
        var status: Int32 = 0
        let pid = waitpid(-1, &status, WNOHANG)
        return pid > 0 ? (pid, status) : nil
    }

    private static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
