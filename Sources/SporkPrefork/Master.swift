// The master: forks the workers, waits for signals, for their end and for what comes by its control socket, and replaces workers. It
// runs no task, no loop, no user code once the workers run, and has one thread; what can fail is done in another process first, and again
// here only when it went well there. Its decisions are Supervision's.
//
// All signals it cares for are blocked and read from one descriptor, so nothing happens in a handler and nothing can be
// missed between looking and sleeping.
//
// This file has the entrance and the loop; +Workers forks and watches, +Changes checks, upgrades and goes back, +Control answers requests.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet
import SporkTasks

/// The process that forks workers and keeps their number.
public final class Master {
    /// What a worker runs until it drains.
    public typealias Body = @MainActor (Worker) async throws -> Void

    let listeners: ListenerSet
    private let tellOperator: (Report) -> Void
    private var untold = 0
    let plan: () throws -> ServerPlan
    // What was given at the start; generations have their own.
    let first: ServerPlan

    var settings: ServerSettings { first.settings }

    var supervision: Supervision
    // Made when `run` begins.
    var scoreboard: Scoreboard?
    var manager = ServiceManager()
    var control: ControlSocket?
    var signals: Int32 = -1
    // Workers hold the other end; when the master is gone, however it went, they read the end of it.
    var lifeline: (read: Int32, write: Int32) = (-1, -1)
    var doorbell: Int32 = -1
    var program = Program()
    // How the program was started that this one has replaced.
    var previousInvocation: Invocation?
    var processDescriptors: [Int32: Int32] = [:]
    // What generations go by. Those of a program that this one has replaced are not in here: what this one began with stands for them.
    var plans: [Int: PreparedPlan] = [:]
    var firstPlan: PreparedPlan?
    // What the next generation is to go by.
    var candidate: PreparedPlan?
    // Of the program that this one has replaced: what its configuration was read from, how many workers it asked for.
    var previousText: [UInt8]?
    var previousWorkers: Int?
    var check: RunningCheck?
    var observations = 0
    var pidFile: PidFile?
    // Whether a service manager knows that the server serves, and what it was told last.
    var hasSaidReady = false
    var saidStatus = ""
    // Whether this program goes on with what another has handed over.
    static var hasAdopted = false
    private var pending: [Supervision.Action] = []
    private var isPerforming = false
    private var isFinished = false
    private var failure: String?
    private var started: () -> Void = {}
    private var nextWatchdog = -Double.infinity
    let begunAt = Master.now

    /// Prepares workers that share sockets.
    ///
    /// - Parameters:
    ///   - listeners: what the workers accept from.
    ///   - first: what the server goes by at the start.
    ///   - report: told about what an operator should know; not called while standard error takes nothing, because nobody reads it.
    ///   - plan: reads what the server goes by from a reload on: in a process of its own first, so that one that throws, crashes or hangs
    ///     changes nothing.
    public init(
        listeners: ListenerSet,
        first: ServerPlan,
        report: @escaping (Report) -> Void,
        plan: @escaping () throws -> ServerPlan
    ) {
        (self.listeners, self.first, self.plan) = (listeners, first, plan)
        tellOperator = report
        supervision = Supervision(limits: first.settings.limits, mostRows: Scoreboard.rowCount)
    }

    /// Prepares workers that share sockets, with settings that no reload changes.
    ///
    /// - Parameters:
    ///   - listeners: what the workers accept from.
    ///   - settings: how processes are run.
    ///   - report: told about what an operator should know.
    ///   - configure: returns what each worker runs; called at the start, and as `plan` is in the other initializer.
    /// - Throws: what `configure` throws.
    public convenience init(
        listeners: ListenerSet,
        settings: ServerSettings,
        report: @escaping (Report) -> Void,
        configure: @escaping () throws -> Body
    ) throws {
        let plan = { ServerPlan(settings: settings, body: try configure()) }
        self.init(listeners: listeners, first: try plan(), report: report, plan: plan)
    }

    /// Forks the workers, calls `started` when all of them serve, and supervises until a signal ends it and the last worker is gone.
    ///
    /// TERM and QUIT end it when what has begun is finished, INT at once; a second one kills. HUP replaces all workers, USR2 the
    /// program too. TTIN and TTOU add and remove a worker, WINCH drains all and keeps the master, USR1 has logs opened again.
    /// Has to be called on the process's only thread.
    ///
    /// - Throws: `SystemError` when the system refuses what supervision needs, `ServerGaveUp` when no worker could be started; what
    ///   `plan` throws. No worker is left then.
    public func run(started: @escaping () -> Void) throws {
        try Self.checkThreads()
        ProcessTitle.prepare()
        self.started = started
        let handover = Handover.inherited
        do { try prepare(handover) } catch {
            // Whatever this program cannot do, the one that it was to replace has done until a moment ago.
            Self.abandonUpgrade(because: "\(error)")
            throw error
        }
        defer { pidFile?.remove() }
        if let handover {
            adopt(handover)
        } else {
            perform(supervision.start(workers: settings.workers, at: Self.now))
        }
        showTitle()
        while !isFinished { turn() }
        listeners.close()
        control?.close()
        if let failure { throw ServerGaveUp(reason: failure) }
    }

    // All that can fail before the first worker is forked.
    private func prepare(_ handover: Handover?) throws {
        if let count = settings.mostDescriptors {
            let failure = -spork_limit_descriptors(UInt64(count))
            guard failure == 0 else { throw SystemError("allow so many descriptors:", "\(count)", number: failure) }
        }
        let prepared = try PreparedPlan(first)
        (firstPlan, candidate) = (prepared, prepared)
        if let handover {
            try settings.check(fixed: handover.fixed)
            if handover.purpose != .trial { plans[handover.supervision.generation] = prepared }
            if case .revert = handover.purpose {} else { try listeners.check(first.addresses, isServing: true) }
        } else {
            plans[supervision.generation] = prepared
        }
        if handover?.purpose == .trial { runTrial(handover, prepared) }
        try openDescriptors(handover)
        if handover?.purpose == .upgrade { try listeners.change(to: first.addresses, backlog: settings.backlog) }
        pidFile = try settings.pidFile.map { try PidFile(path: $0, adopting: handover?.pidFile ?? -1) }
    }

    private func turn() {
        waitForNews()
        // Before the children: a stop explains why they end, and one that was ready before it ended was ready.
        takeSignals()
        hearDoorbell()
        check?.hear()
        reapChildren()
        answerClients()
        tell(.timePassed)
        if let interval = manager.watchdogInterval, nextWatchdog <= Self.now {
            nextWatchdog = Self.now + interval
            manager.alive()
        }
    }

    private func openDescriptors(_ handover: Handover?) throws {
        let numbers = [SIGTERM, SIGQUIT, SIGINT, SIGTTIN, SIGTTOU, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGCHLD]
        signals = spork_signal_descriptor(numbers, numbers.count)
        guard signals >= 0 else { throw SystemError("signalfd", number: -signals) }
        spork_ignore_signal(SIGPIPE)
        if let handover {
            scoreboard = try Scoreboard(adopting: handover.scoreboard)
            (lifeline, doorbell) = (handover.lifeline, handover.doorbell)
            program.close()
            program = Program(path: handover.path, previous: handover.program)
            if handover.control >= 0, let path = settings.controlSocket {
                control = ControlSocket(path: path, adopting: handover.control, handover.clients)
            }
            return
        }
        scoreboard = try Scoreboard()
        var ends: [Int32] = [-1, -1]
        let failure = -spork_pipe(&ends)
        guard failure == 0 else { throw SystemError("pipe", number: failure) }
        lifeline = (ends[0], ends[1])
        doorbell = spork_event_descriptor()
        guard doorbell >= 0 else { throw SystemError("eventfd", number: -doorbell) }
        control = try settings.controlSocket.map { try ControlSocket(path: $0) }
    }

    private func waitForNews() {
        var requests = [pollfd(fd: signals, events: Int16(POLLIN), revents: 0)]
        requests.append(pollfd(fd: doorbell, events: Int16(POLLIN), revents: 0))
        requests += processDescriptors.values.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        if let check, check.output >= 0 { requests.append(pollfd(fd: check.output, events: Int16(POLLIN), revents: 0)) }
        requests += control?.interests(at: Self.now) ?? []
        let watchdog = manager.watchdogInterval == nil ? nil : nextWatchdog
        let deadline = [supervision.nextDeadline, watchdog, control?.restsUntil].compactMap { $0 }.min()
        // Rounded up: waking a moment before the deadline would only mean another round.
        let milliseconds = deadline.map { Int32(min(max(0, ($0 - Self.now) * 1000).rounded(.up), 3_600_000)) } ?? -1
        _ = poll(&requests, nfds_t(requests.count), milliseconds)
    }

    /// Says what an operator should know, unless that would have the master wait: workers have to be looked after whoever reads.
    func report(_ report: Report) {
        var log = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        guard poll(&log, 1, 0) != 0 else {
            untold += 1
            return
        }
        if untold > 0 { tellOperator(.untold(untold)) }
        untold = 0
        tellOperator(report)
    }

    /// Tells supervision what happened and does what it asks for.
    func tell(_ event: Supervision.Event) { perform(supervision.on(event, at: Self.now)) }

    /// Does what supervision asks for, in order.
    func perform(_ actions: [Supervision.Action]) {
        pending += actions
        // Before the last worker of an old generation drains: its hold on a listener that is given up has to be the last one, so that it
        // can empty the queue.
        if actions.contains(where: { if case .verdict(_, nil) = $0 { true } else { false } }) {
            listeners.commitChange()
        }
        guard !isPerforming else { return }
        isPerforming = true
        defer { isPerforming = false }
        while !pending.isEmpty { perform(pending.removeFirst()) }
    }

    private func perform(_ action: Supervision.Action) {
        switch action {
        case .fork(let row, let slot, let generation): fork(row: row, slot: slot, generation: generation)
        case .drain(let pid): drain(pid)
        case .quit(let pid): signal(SIGQUIT, to: pid)
        case .abort(let pid): signal(SIGABRT, to: pid)
        case .kill(let pid): signal(SIGKILL, to: pid)
        case .reopenLogs(let pid): signal(SIGUSR1, to: pid)
        case .observe: observe()
        case .check(let kind): begin(kind)
        case .endCheck: endCheck()
        case .prepared(let generation): adopt(candidate, for: generation)
        case .rolledBack(let generation): rollBack(generation)
        case .execute: execute()
        case .revert(let reason): revert(because: reason)
        case .verdict(let change, let failure): finish(change, failure)
        case .reportHang(let row, let seconds): reportHang(row, seconds)
        case .reportKill(let row, let reason): reportKill(row, reason)
        case .reportRecycling(let row, let reason):
            guard let row = scoreboard?.row(row) else { return }
            report(.recycled(slot: row.slot, pid: row.pid, reason: reason))
        case .serving:
            hasSaidReady = true
            showTitle()
            manager.ready(status: statusLine)
            started()
        case .announceStop:
            scoreboard?.isStopping = true
            manager.stopping()
        case .closeListeners:
            listeners.close()
            control?.stopListening()
        case .finish(let failure): (isFinished, self.failure) = (true, failure)
        }
    }

    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}

/// No worker could be started, and none ever was.
public nonisolated struct ServerGaveUp: Error, CustomStringConvertible {
    /// What became of the last one.
    public let reason: String

    /// One line.
    public var description: String { "the server could not be started: \(reason)" }
}
