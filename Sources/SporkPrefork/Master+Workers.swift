// The master and its children: forking them, signalling them, hearing that they are ready, looking at them, burying them.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet
import SporkTasks

extension Master {
    func fork(row: Int, slot: Int, generation: Int) {
        guard let scoreboard, let plan = plans[generation] ?? firstPlan else { return tell(.forkFailed(row: row)) }
        // Those of a new generation have the listeners that come with it, those of the old one the ones that go.
        let isNew = generation == supervision.generation
        let own: [Listener]
        do {
            try Self.checkThreads()
            own = try listeners.listeners(forSlot: slot, isNew: isNew)
        } catch {
            if let error = error as? SystemError { report(.forkFailed(slot: slot, error: error)) }
            return tell(.forkFailed(row: row))
        }
        scoreboard.prepare(row, slot: slot, generation: generation)
        let parent = getpid()
        let pid = spork_fork()
        if pid == 0 {
            let worker = Worker(slot: slot, generation: generation, listeners: own, scoreboard: scoreboard, row: row)
            worker.sharesListeners = settings.accept == .shared
            listeners.keepOnly(slot: slot, isNew: isNew)
            runWorker(worker, plan, parent)
        }
        guard pid > 0 else {
            scoreboard.fold(row)
            report(.forkFailed(slot: slot, error: SystemError("fork", number: -pid)))
            return tell(.forkFailed(row: row))
        }
        scoreboard.row(row).setProcess(pid)
        watch(pid)
        tell(.forked(row: row, pid: pid))
    }

    /// A child has only the thread that forks it; what another one has locked stays locked in it.
    static func checkThreads() throws {
        guard spork_thread_count() <= 1 else {
            throw SystemError("fork workers from a process with several threads", number: EINVAL)
        }
    }

    /// Has a worker finish what it has begun; one whose place is gone has its queue kept free of what is new.
    func drain(_ pid: Int32) {
        if let slot = supervision.slot(of: pid), !supervision.hasSlot(slot) {
            listeners.deal(toFirst: supervision.capacity)
        }
        signal(SIGTERM, to: pid)
    }

    /// Opens the descriptor by which a child is watched and signalled; without it its number does.
    func watch(_ pid: Int32) {
        let descriptor = spork_open_process(pid)
        if descriptor >= 0 { processDescriptors[pid] = descriptor }
    }

    func signal(_ number: Int32, to pid: Int32) {
        guard pid > 0 else { return }
        _ = spork_signal_process(processDescriptors[pid] ?? -1, pid, number)
    }

    private func runWorker(_ worker: Worker, _ plan: PreparedPlan, _ parent: Int32) -> Never {
        closeWhatIsTheMasters()
        Self.takeWorkerSignals()
        let (lifeline, doorbell) = (lifeline.read, doorbell)
        let limits = plan.settings.limits
        let heartbeat = worker.row.heartbeatWord
        worker.onReady = {
            var one: UInt64 = 1
            _ = Glibc.write(doorbell, &one, MemoryLayout<UInt64>.size)
        }
        worker.showTitle()
        do {
            try plan.privileges.apply(slot: worker.slot)
            // Whatever it is doing then: nobody else is left to notice that it hangs.
            _ = spork_notice_death_of_parent(parent, limits.graceful + limits.fast, limits.hang ?? 0, heartbeat)
            EventLoop.heartbeat = heartbeat
            try EventLoop.run {
                let watchers = worker.watchSignals()
                spork_unblock_signals()
                spawn("watch the master") {
                    _ = await Readiness(descriptor: lifeline).readable()
                    spork_parent_has_died()
                    worker.drain()
                }
                try await plan.body(worker)
                withExtendedLifetime(watchers) {}
            }
            _exit(0)
        } catch {
            worker.row.explainEnd("\(error)")
            let line = "worker \(worker.slot) (pid \(getpid())): \(error)\n"
            _ = line.withCString { Glibc.write(STDERR_FILENO, $0, strlen($0)) }
            _exit(1)
        }
    }

    /// Closes what a child has no business with.
    func closeWhatIsTheMasters() {
        Glibc.close(signals)
        Glibc.close(lifeline.write)
        control?.leave()
        pidFile?.leave()
        program.close()
        for descriptor in processDescriptors.values { Glibc.close(descriptor) }
        check?.close()
    }

    /// Gives signals the meaning they have in a worker; all are still blocked.
    static func takeWorkerSignals() {
        spork_reset_signals()
        // Ctrl-C, a terminal's end and commands for the whole group reach workers as well; the master decides what they mean. A peer
        // that is gone is an error of the write, not of the process.
        for number in [SIGINT, SIGHUP, SIGTTIN, SIGTTOU, SIGUSR2, SIGPIPE] { spork_ignore_signal(number) }
    }

    func takeSignals() {
        var sender: pid_t = 0
        while true {
            let number = spork_take_signal(signals, &sender)
            switch number {
            case 0: return
            case SIGTERM, SIGQUIT: tell(.stopGracefully)
            case SIGINT: tell(.stopFast)
            case SIGTTIN: tell(.grow)
            case SIGTTOU: tell(.shrink)
            // A terminal that goes away says so with HUP to everyone in it.
            case SIGHUP: tell(sender == 0 ? .stopGracefully : .reload)
            case SIGUSR1: tell(.reopenLogs)
            case SIGUSR2: tell(.upgrade)
            // And one that changes its size says WINCH.
            case SIGWINCH where sender != 0:
                tell(.pause)
                if supervision.isPaused { report(.paused) }
            default: continue
            }
        }
    }

    /// Finds out which workers have become ready.
    func hearDoorbell() {
        var rings: UInt64 = 0
        guard read(doorbell, &rings, MemoryLayout<UInt64>.size) > 0, let scoreboard else { return }
        for row in supervision.bootingRows where scoreboard.row(row).state != .booting { tell(.ready(row: row)) }
        listeners.deal(toFirst: supervision.capacity)
        showTitle()
    }

    func reapChildren() {
        var status: Int32 = 0
        while true {
            let pid = waitpid(-1, &status, WNOHANG)
            guard pid > 0 else { return }
            if let descriptor = processDescriptors.removeValue(forKey: pid) { Glibc.close(descriptor) }
            if pid == check?.pid {
                finishCheck(status: status)
            } else if let row = supervision.row(of: pid) {
                bury(pid, row, status)
            }
            // Anybody else is a stranger that this process has inherited as the first of its container: being reaped is all it needs.
        }
    }

    private func bury(_ pid: Int32, _ index: Int, _ status: Int32) {
        guard let scoreboard else { return }
        let row = scoreboard.row(index)
        // It may have been ready and have died before anybody looked.
        if row.state != .booting { tell(.ready(row: index)) }
        var reason = Self.reason(status)
        // What it has said itself; one that serves has requests there.
        if row.state == .booting, let explanation = row.requestTexts.first?.text { reason += ": \(explanation)" }
        if !supervision.expectsEnd(of: pid) {
            report(.ended(slot: row.slot, pid: pid, reason: reason, requests: row.requestSummary))
        }
        scoreboard.fold(index)
        tell(.ended(pid: pid, reason: reason))
        showTitle()
    }

    /// What an exit status says.
    static func reason(_ status: Int32) -> String {
        let signal = status & 0x7F
        return signal == 0 ? "ended with exit code \(status >> 8 & 0xFF)" : "was ended by signal \(signal)"
    }

    func observe() {
        guard let scoreboard else { return }
        observations += 1
        let limits = supervision.limits
        for row in scoreboard.rows where row.state == .ready {
            let beat = row.heartbeat
            var observation = Supervision.Observation(requests: row.counters.requests)
            if beat != 0 {
                let busySince = Double(beat) * 1e-9
                observation.busySince = busySince
                // Looked at only when it is of interest: most have begun their turn a moment ago.
                if Self.now - busySince > limits.observation / 4 {
                    observation.isStopped = ProcessReport(of: row.pid)?.isStopped ?? false
                }
            }
            if let memory = limits.memory, observations % 5 == 1 {
                observation.memory = ProcessReport.privateMemory(of: row.pid, above: memory)
            }
            tell(.observed(row: row.index, observation))
        }
    }

    func reportHang(_ index: Int, _ seconds: Double) {
        guard let row = scoreboard?.row(index) else { return }
        var detail = "it cannot be looked at"
        if let process = ProcessReport(of: row.pid) {
            let place = ProcessReport.waitsIn(row.pid).map { "waits in \($0)" } ?? "computes"
            let seconds = Int(process.processorSeconds)
            detail = "state \(process.state), \(place), \(seconds) s of processor time"
        }
        report(.hung(slot: row.slot, pid: row.pid, seconds: seconds, detail: detail, requests: row.requestSummary))
    }

    func reportKill(_ index: Int, _ reason: String) {
        guard let row = scoreboard?.row(index) else { return }
        report(.killed(slot: row.slot, pid: row.pid, reason: reason, requests: row.requestSummary))
    }

    func showTitle() {
        let (serving, all) = (supervision.serving, supervision.capacity)
        ProcessTitle.set("spork: master, generation \(supervision.generation), \(serving) of \(all) workers serve")
        // A service manager hears of what is no end of a change as well: a worker more, one fewer, one that has crashed.
        guard hasSaidReady, !supervision.isStopping, statusLine != saidStatus else { return }
        saidStatus = statusLine
        manager.status(statusLine)
    }
}
