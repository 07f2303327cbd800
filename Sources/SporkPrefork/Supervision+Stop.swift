// Supervision: ending, pausing, and what happens when time has passed.

nonisolated extension Supervision {
    /// Whether the server is about to end.
    package var isStopping: Bool { stop != nil }

    var isAnnouncing: Bool { if case .announced = stop { true } else { false } }

    mutating func stopGracefully(at now: Double) -> [Action] {
        switch stop {
        case nil where limits.shutdownDelay > 0:
            stop = .announced(until: now + limits.shutdownDelay)
            return abandonChange() + [.announceStop]
        case nil:
            stop = .graceful
            return abandonChange() + [.announceStop] + endAll(at: now)
        default:
            stop = .atOnce
            return endAll(at: now)
        }
    }

    mutating func stopFast(at now: Double) -> [Action] {
        switch stop {
        case nil, .graceful, .announced:
            stop = .fast
            return abandonChange() + [.announceStop] + endAll(at: now)
        case .fast, .atOnce:
            stop = .atOnce
            return endAll(at: now)
        }
    }

    /// Ends because no worker could be started, and none ever was.
    mutating func giveUp(_ reason: String, at now: Double) -> [Action] {
        failure = reason
        stop = .fast
        return abandonChange() + endAll(at: now)
    }

    // Who waits for a change is told that nothing will come of it.
    private mutating func abandonChange() -> [Action] {
        var actions: [Action] = []
        if let (kind, _) = check {
            actions += [.endCheck, .verdict(kind == .program ? .upgrade : .reload, failure: "the server ends")]
        }
        if let change { actions.append(.verdict(change, failure: "the server ends")) }
        (check, change, fallback, replacing, reloadsAgain) = (nil, nil, nil, nil, false)
        return actions
    }

    mutating func endAll(at now: Double) -> [Action] {
        for slot in slots.keys { slots[slot]?.waitsUntil = nil }
        var actions: [Action] = []
        for (row, process) in processes.sorted(by: { $0.key < $1.key }) {
            guard process.pid != 0 else { continue }
            switch stop {
            case .atOnce:
                processes[row]?.phase = .retiring(killAt: .infinity)
                actions.append(.kill(pid: process.pid))
            case .fast:
                processes[row]?.phase = .retiring(killAt: now + limits.fast)
                actions.append(.quit(pid: process.pid))
            case .graceful, .announced, nil:
                if case .retiring = process.phase { continue }
                processes[row]?.phase = .retiring(killAt: now + limits.graceful)
                actions.append(.drain(pid: process.pid))
            }
        }
        actions.append(.closeListeners)
        if processes.isEmpty { actions.append(.finish(failure: failure)) }
        return actions
    }

    mutating func pause(at now: Double) -> [Action] {
        guard stop == nil, !isChanging, !isPaused else { return [] }
        isPaused = true
        replacing = nil
        var actions: [Action] = []
        for (number, slot) in slots.sorted(by: { $0.key < $1.key }) {
            if let row = slot.replacement { actions += discard(row) }
            if let row = slot.current { actions += retire(row, at: now) }
            slots[number] = Slot()
        }
        return actions
    }

    /// Fills the slots again after a pause.
    mutating func resume(at now: Double) -> [Action] {
        guard isPaused else { return [] }
        isPaused = false
        return slots.keys.sorted().flatMap { fill($0, at: now) }
    }

    mutating func timePassed(at now: Double) -> [Action] {
        if case .announced(let until) = stop, until <= now {
            stop = .graceful
            return endAll(at: now)
        }
        var actions: [Action] = []
        for (number, slot) in slots.sorted(by: { $0.key < $1.key }) {
            if let until = slot.waitsUntil, until <= now { actions += fill(number, at: now) }
        }
        for (row, process) in processes.sorted(by: { $0.key < $1.key }) {
            switch process.phase {
            case .retiring(let killAt) where killAt <= now:
                processes[row]?.phase = .retiring(killAt: .infinity)
                actions += [.reportKill(row: row, reason: "has not ended in time"), .kill(pid: process.pid)]
            case .booting(let until) where until <= now:
                processes[row]?.phase = .retiring(killAt: .infinity)
                actions += [
                    .reportKill(row: row, reason: "was not ready after \(limits.boot) s"), .kill(pid: process.pid),
                ]
                actions += lost(process, "was not ready after \(limits.boot) s", failing: true, at: now)
            default: break
            }
        }
        return actions + checkExpired(at: now) + observe(at: now) + advance(at: now)
    }
}
