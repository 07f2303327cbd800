// The master's changes: checking a configuration or a program in a process of its own, becoming another program, and going back.
//
// An upgrade executes the new program in this very process, so that its number stays and a service manager sees nothing; workers stay its
// children. What has to survive is in a Handover. Before, the new program is tried: it gets everything it will get, and has one worker
// that serves nobody and has to become ready.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet

extension Master {
    /// The program that runs, and where it came from.
    struct Program {
        /// Where it lies: what an upgrade executes.
        private(set) var path = ""
        /// The file that runs, whatever lies at the path meanwhile; -1 where the system does not tell.
        private(set) var descriptor: Int32 = -1
        /// The program that this one has replaced; -1 without one.
        private(set) var previous: Int32 = -1

        init(path: String = "", previous: Int32 = -1) {
            var room = [CChar](repeating: 0, count: 4096)
            let count = readlink("/proc/self/exe", &room, room.count)
            let running = String(decoding: room.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            self.path = path.isEmpty ? running : path
            self.previous = previous
            descriptor = spork_open_path("/proc/self/exe")
        }

        mutating func close() {
            if descriptor >= 0 { Glibc.close(descriptor) }
            forgetPrevious()
            descriptor = -1
        }

        mutating func forgetPrevious() {
            if previous >= 0 { Glibc.close(previous) }
            previous = -1
        }
    }

    /// A check that runs.
    struct RunningCheck {
        /// More of what it says nobody reads.
        private static let mostBytes = 8192

        let kind: Supervision.Check
        let pid: Int32
        /// What it says comes here; -1 once it has said everything.
        private(set) var output: Int32
        private(set) var said: [UInt8] = []

        init(kind: Supervision.Check, pid: Int32, output: Int32) {
            (self.kind, self.pid, self.output) = (kind, pid, output)
        }

        /// Reads what it has said, so that it never waits for somebody to do so, nor is woken for twice.
        mutating func hear() {
            var bytes = [UInt8](repeating: 0, count: Self.mostBytes)
            while output >= 0 {
                let count = read(output, &bytes, bytes.count)
                if count < 0, errno == EAGAIN || errno == EINTR { return }
                if count <= 0 { return close() }
                said += bytes.prefix(min(count, Self.mostBytes - said.count))
            }
        }

        mutating func close() {
            if output >= 0 { Glibc.close(output) }
            output = -1
        }
    }

    func begin(_ kind: Supervision.Check) {
        control?.begin(kind == .program ? .upgrade : .reload)
        manager.reloading()
        do {
            switch kind {
            case .configuration: try start(kind) { _ = try nextPlan() }
            case .program:
                var handover = handover(for: .trial)
                (handover.control, handover.pidFile, handover.clients) = (-1, -1, [])
                let file = try handover.write()
                defer { Glibc.close(file) }
                let path = program.path
                try start(kind) { try Self.execute(path, handover, file, with: .present) }
            }
        } catch { tell(.checked(kind, failure: "\(error)")) }
    }

    /// Runs a check in a child, whose output is the reason when it fails.
    private func start(_ kind: Supervision.Check, _ body: () throws -> Void) throws {
        var ends: [Int32] = [-1, -1]
        let failure = -spork_pipe(&ends)
        guard failure == 0 else { throw SystemError("pipe", number: failure) }
        let parent = getpid()
        let pid = spork_fork()
        if pid == 0 {
            dup2(ends[1], STDOUT_FILENO)
            dup2(ends[1], STDERR_FILENO)
            let descriptors = processDescriptors.values
            for descriptor in descriptors { Glibc.close(descriptor) }
            ProcessTitle.set("spork: check before a reload or an upgrade")
            // It has the listeners, and what workers know the master's life by: it must not outlive the master.
            _ = spork_die_with_parent(parent)
            spork_reset_signals()
            spork_unblock_signals()
            do {
                try body()
                // Better known here than when the master has one, too, and can fork no more.
                try Self.checkThreads()
                _exit(0)
            } catch {
                let line = "\(error)\n"
                _ = line.withCString { Glibc.write(STDERR_FILENO, $0, strlen($0)) }
                _exit(1)
            }
        }
        Glibc.close(ends[1])
        guard pid > 0 else {
            Glibc.close(ends[0])
            throw SystemError("fork", number: -pid)
        }
        _ = spork_set_nonblocking(ends[0])
        watch(pid)
        check = RunningCheck(kind: kind, pid: pid, output: ends[0])
    }

    func finishCheck(status: Int32) {
        guard var ended = check else { return }
        check = nil
        ended.hear()
        ended.close()
        let passed = ended.kind == .program ? Handover.trialPassed << 8 : 0
        guard status != passed else { return succeed(ended.kind) }
        let text = String(decoding: ended.said, as: UTF8.self)
        let line =
            text.split(separator: "\n").first.map(String.init)
            ?? (status == 0 ? "the program does not know how to take over" : "the check \(Self.reason(status))")
        tell(.checked(ended.kind, failure: line.hasPrefix("spork: ") ? String(line.dropFirst(7)) : line))
    }

    private func succeed(_ kind: Supervision.Check) {
        guard kind == .configuration else { return tell(.checked(kind, failure: nil)) }
        // It went well in the child a moment ago; now for good.
        do {
            let next = try nextPlan()
            try listeners.change(to: next.addresses, backlog: next.settings.backlog)
            // What an operator has changed by TTIN stays, unless the configuration has changed as well.
            let workers = next.settings.workers
            let before = plans[supervision.generation]?.settings.workers ?? settings.workers
            if workers != before { tell(.capacityFollows(workers)) }
            candidate = next
            tell(.checked(kind, failure: nil))
        } catch { tell(.checked(kind, failure: "\(error)")) }
    }

    func endCheck() {
        guard var ended = check else { return }
        check = nil
        signal(SIGKILL, to: ended.pid)
        ended.close()
    }

    /// What the server shall go by from now on.
    ///
    /// - Throws: what is wrong with it.
    private func nextPlan() throws -> PreparedPlan {
        let next = try PreparedPlan(plan())
        try next.settings.check(fixed: settings.fixed)
        try listeners.check(next.addresses, isServing: supervision.serving > 0)
        return next
    }

    /// Goes by a plan from now on.
    func adopt(_ plan: PreparedPlan?, for generation: Int) {
        guard let plan else { return }
        plans[generation] = plan
        supervision.limits = plan.settings.limits
    }

    /// Goes by what held before a generation that has failed.
    func rollBack(_ failed: Int) {
        listeners.abandonChange()
        plans[failed] = nil
        supervision.limits = (plans[supervision.generation] ?? firstPlan)?.settings.limits ?? settings.limits
    }

    func finish(_ change: Supervision.Change, _ failure: String?) {
        let generation = supervision.generation
        if failure == nil {
            plans = plans.filter { $0.key == generation }
            program.forgetPrevious()
        }
        control?.finish(change, failure.map { "failed \($0)\n" } ?? "ok generation \(generation)\n")
        report(
            change == .reload
                ? .reloaded(generation: generation, failure: failure)
                : .upgraded(generation: generation, failure: failure)
        )
        manager.ready(status: statusLine)
        showTitle()
    }

    /// Becomes the program on the disk.
    func execute() {
        var handover = handover(for: .upgrade)
        handover.program = program.descriptor
        become(program.path, handover, with: .present)
    }

    /// Becomes the program that this one has replaced.
    func revert(because reason: String) {
        guard program.previous >= 0 else { return tell(.executeFailed(reason: reason)) }
        listeners.abandonChange()
        var handover = handover(for: .revert(reason: reason))
        handover.program = program.previous
        become("/proc/self/fd/\(program.previous)", handover, with: previousInvocation ?? .present)
    }

    /// Becomes the program again that this one was to replace, because this one has found out that it cannot.
    ///
    /// Does nothing in a program that was started as usual, and in one that goes on with what was handed over already; returns only then, or
    /// when it fails. To be called while the listeners that were handed over are open.
    package static func abandonUpgrade(because reason: String) {
        guard !hasAdopted, var back = Handover.inherited, back.purpose == .upgrade, back.program >= 0 else { return }
        let invocation = back.invocation ?? .present
        (back.purpose, back.invocation) = (.revert(reason: reason), nil)
        guard let file = try? back.write() else { return }
        try? execute("/proc/self/fd/\(back.program)", back, file, with: invocation)
    }

    private func become(_ path: String, _ handover: Handover, with invocation: Invocation) {
        do {
            let file = try handover.write()
            defer { Glibc.close(file) }
            try Self.execute(path, handover, file, with: invocation)
        } catch {
            for descriptor in handover.descriptors { _ = spork_keep_over_exec(descriptor, false) }
            tell(.executeFailed(reason: "\(error)"))
        }
    }

    private func handover(for purpose: Handover.Purpose) -> Handover {
        var handover = Handover(purpose: purpose, process: getpid(), supervision: supervision.snapshot)
        handover.scoreboard = scoreboard?.descriptor ?? -1
        (handover.lifeline, handover.doorbell, handover.path) = (lifeline, doorbell, program.path)
        handover.listeners = listeners.all.map { ($0.descriptor, $0.slot) }
        if let control {
            handover.control = control.descriptor
            handover.clients = control.handedOver
        }
        handover.pidFile = pidFile?.descriptor ?? -1
        // How many descriptors there may be the next program can say itself.
        handover.fixed = settings.fixed.filter { $0.key != "nofile" }
        let present = plans[supervision.generation] ?? firstPlan
        if case .revert = purpose {
            (handover.configuration, handover.configuredWorkers) = (previousText, previousWorkers)
        } else {
            (handover.configuration, handover.configuredWorkers) = (present?.text, present?.settings.workers)
        }
        if purpose == .upgrade { handover.invocation = .present }
        return handover
    }

    /// Goes on as the next program.
    func adopt(_ handover: Handover) {
        Self.hasAdopted = true
        (hasSaidReady, previousInvocation) = (true, handover.invocation)
        (previousText, previousWorkers) = (handover.configuration, handover.configuredWorkers)
        // This program itself, by which it was executed again.
        if case .revert = handover.purpose { program.forgetPrevious() }
        for entry in handover.supervision.entries { watch(entry.pid) }
        var failure: String?
        if case .revert(let reason) = handover.purpose { failure = reason }
        if failure == nil, let before = handover.configuredWorkers, before != settings.workers {
            tell(.capacityFollows(settings.workers))
        }
        perform(supervision.adopt(handover.supervision, failure: failure, at: Self.now))
        // Somebody may have become ready while nobody could hear it.
        for row in supervision.bootingRows where scoreboard?.row(row).state != .booting { tell(.ready(row: row)) }
        // What they have asked the program before nobody will ask again.
        answerClients()
    }

    private static func execute(
        _ path: String,
        _ handover: Handover,
        _ file: Int32,
        with invocation: Invocation
    ) throws {
        for descriptor in handover.descriptors + [file] { _ = spork_keep_over_exec(descriptor, true) }
        let failure = invocation.execute(path, adding: "\(Handover.variable)=\(file)")
        throw SystemError("execute", path, number: failure)
    }

    /// Runs this program's body as the one worker of a trial: it has to become ready, and serves nobody.
    func runTrial(_ handover: Handover?, _ plan: PreparedPlan) -> Never {
        do {
            ProcessTitle.set("spork: trial before an upgrade")
            // Whether the layout is the same: the workers that run go on writing to it.
            if let handover { _ = try Scoreboard(adopting: handover.scoreboard) }
            let scoreboard = try Scoreboard()
            scoreboard.prepare(0, slot: 1, generation: 0)
            let worker = Worker(slot: 1, generation: 0, listeners: [], scoreboard: scoreboard, row: 0)
            worker.onReady = { _exit(Handover.trialPassed) }
            try plan.privileges.apply(slot: 1)
            // The change of users has undone it.
            if let handover { _ = spork_die_with_parent(handover.process) }
            Self.takeWorkerSignals()
            spork_unblock_signals()
            try EventLoop.run { try await plan.body(worker) }
            throw SystemError("get ready: the worker has ended before", number: ECANCELED)
        } catch {
            let line = "\(error)\n"
            _ = line.withCString { Glibc.write(STDERR_FILENO, $0, strlen($0)) }
            _exit(1)
        }
    }
}
