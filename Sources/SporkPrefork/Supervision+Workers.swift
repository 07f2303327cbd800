// Supervision: how workers start, end and are replaced where they have failed; and what can be asked about them.

nonisolated extension Supervision {
    /// Workers that there shall be.
    package var capacity: Int { slots.count }

    /// The pids of all workers, those that retire included.
    package var pids: [Int32] { processes.values.map(\.pid).filter { $0 != 0 }.sorted() }

    /// Workers that serve.
    package var serving: Int { slots.values.count { $0.current.flatMap { processes[$0] }?.isReady == true } }

    /// The row of the worker with this pid.
    package func row(of pid: Int32) -> Int? { processes.values.first { $0.pid == pid && pid != 0 }?.row }

    /// The slot of the worker with this pid.
    package func slot(of pid: Int32) -> Int? { row(of: pid).flatMap { processes[$0]?.slot } }

    /// Rows of workers that have not said yet that they are ready.
    package var bootingRows: [Int] {
        processes.values.filter { if case .booting = $0.phase { true } else { false } }.map(\.row).sorted()
    }

    /// Whether there is such a slot.
    package func hasSlot(_ slot: Int) -> Bool { slots[slot] != nil }

    /// Whether the end of this worker is no surprise: it was asked for.
    package func expectsEnd(of pid: Int32) -> Bool {
        guard stop == nil || isAnnouncing, let row = row(of: pid), let process = processes[row] else { return true }
        return process.isRetiring
    }

    /// When `timePassed` has to be told next, in the seconds of the clock that events are told in.
    package var nextDeadline: Double? {
        var deadlines = slots.values.flatMap { slot in
            // One that has come already waits for another to be replaced.
            let isRetried = slot.recycling != nil && slot.recyclesAfter > lastEventAt ?? 0
            return [slot.waitsUntil ?? .infinity, isRetried ? slot.recyclesAfter : .infinity]
        }
        for process in processes.values {
            switch process.phase {
            case .booting(let until): deadlines.append(until)
            case .retiring(let killAt): deadlines.append(killAt)
            case .ready: deadlines.append(process.hangsAt)
            case .forking: break
            }
        }
        if case .announced(let until) = stop { deadlines.append(until) }
        deadlines.append(check?.until ?? .infinity)
        if stop == nil { deadlines.append(observesAt) }
        return deadlines.filter(\.isFinite).min()
    }

    /// The first actions: as many workers as asked for, at least one.
    package mutating func start(workers: Int, at now: Double = 0) -> [Action] {
        (1...max(1, workers)).flatMap { fill($0, at: now) }
    }

    /// The generation that a slot is filled with: during a rollout the one that is known to work.
    var knownGeneration: Int { fallback ?? generation }

    /// Starts a worker as the slot's own.
    mutating func fill(_ slot: Int, generation: Int? = nil, at now: Double) -> [Action] {
        slots[slot, default: Slot()].waitsUntil = nil
        guard let row = freeRow else { return replace(slot, failing: true, at: now) }
        let generation = generation ?? knownGeneration
        processes[row] = Process(row: row, slot: slot, generation: generation)
        slots[slot]?.current = row
        return [.fork(row: row, slot: slot, generation: generation)]
    }

    var freeRow: Int? { (0..<mostRows).first { processes[$0] == nil } }

    mutating func forked(_ row: Int, _ pid: Int32, at now: Double) -> [Action] {
        processes[row]?.pid = pid
        if processes[row]?.isRetiring == true {
            // Nobody wants it any more.
            processes[row]?.phase = .retiring(killAt: now + limits.graceful)
            return [.drain(pid: pid)]
        }
        processes[row]?.phase = .booting(until: now + limits.boot)
        // A stop that came between the order to fork and its answer.
        return stop == nil || isAnnouncing ? [] : endAll(at: now)
    }

    mutating func forkFailed(_ row: Int, at now: Double) -> [Action] {
        guard let process = processes.removeValue(forKey: row) else { return [] }
        return lost(process, "could not be forked", failing: true, at: now)
    }

    mutating func ready(_ row: Int, at now: Double) -> [Action] {
        guard let process = processes[row], case .booting = process.phase else { return [] }
        processes[row]?.phase = .ready(since: now)
        processes[row]?.accountableSince = now
        if limits.hang != nil || limits.requests != nil || limits.memory != nil || limits.age != nil {
            observesAt = min(observesAt, now + limits.observation)
        }
        hasServed = true
        var actions: [Action] = []
        if slots[process.slot]?.replacement == row { actions += takeOver(process.slot, row, at: now) }
        if replacing == process.slot { replacing = nil }
        if !wasServing, serving == capacity {
            wasServing = true
            actions.append(.serving)
        }
        return actions + advance(at: now)
    }

    private mutating func takeOver(_ slot: Int, _ row: Int, at now: Double) -> [Action] {
        let old = slots[slot]?.current
        slots[slot]?.current = row
        slots[slot]?.replacement = nil
        slots[slot]?.recycling = nil
        return old.map { retire($0, at: now) } ?? []
    }

    /// Has a worker finish what it has begun and end.
    mutating func retire(_ row: Int, at now: Double) -> [Action] {
        guard let process = processes[row], !process.isRetiring else { return [] }
        processes[row]?.phase = .retiring(killAt: process.pid == 0 ? .infinity : now + limits.graceful)
        return process.pid == 0 ? [] : [.drain(pid: process.pid)]
    }

    /// Ends a worker that was never ready.
    mutating func discard(_ row: Int) -> [Action] {
        guard let process = processes[row], !process.isRetiring else { return [] }
        processes[row]?.phase = .retiring(killAt: .infinity)
        return process.pid == 0 ? [] : [.kill(pid: process.pid)]
    }

    mutating func ended(_ pid: Int32, _ reason: String, at now: Double) -> [Action] {
        guard let row = row(of: pid), let process = processes.removeValue(forKey: row) else { return [] }
        let failing: Bool
        if case .ready(let since) = process.phase { failing = now - since < limits.soon } else { failing = true }
        return lost(process, reason, failing: failing, at: now)
    }

    /// A worker that is no more, and what that means for its slot.
    mutating func lost(_ process: Process, _ reason: String, failing: Bool, at now: Double) -> [Action] {
        if stop != nil, !isAnnouncing { return processes.isEmpty ? [.finish(failure: failure)] : [] }
        guard !process.isRetiring, let slot = slots[process.slot] else { return [] }
        let what = "worker \(process.slot) of generation \(process.generation) \(reason)"
        if slot.replacement == process.row {
            slots[process.slot]?.replacement = nil
            if replacing == process.slot { replacing = nil }
            let retry = now + limits.retry
            slots[process.slot]?.recyclesAfter = retry
            return isRolling(process) ? failRollout(what, at: now) : advance(at: now)
        }
        guard slot.current == process.row else { return [] }
        slots[process.slot]?.current = nil
        if !hasServed {
            failedStarts += 1
            if failedStarts >= limits.mostFailedStarts { return giveUp(what, at: now) }
        }
        if let replacement = slot.replacement {
            // What was to take over is on its way already.
            slots[process.slot]?.current = replacement
            slots[process.slot]?.replacement = nil
            return []
        }
        if replacing == process.slot { replacing = nil }
        let rollback = isRolling(process) ? failRollout(what, at: now) : []
        // The rollback may have filled the slot already, taken it away, or gone back to a pause.
        guard let left = slots[process.slot], left.current == nil, !isPaused else { return rollback }
        return rollback + replace(process.slot, failing: failing, at: now)
    }

    /// Whether a process belongs to what is being rolled out.
    private func isRolling(_ process: Process) -> Bool { fallback != nil && process.generation == generation }

    // The first replacement is immediate; only a worker that keeps failing has to wait, longer each time.
    mutating func replace(_ slot: Int, failing: Bool, at now: Double) -> [Action] {
        let count = failing ? (slots[slot]?.failures ?? 0) + 1 : 0
        slots[slot]?.failures = count
        guard count > 1 else { return fill(slot, at: now) }
        let until = now + backoff(failures: count)
        slots[slot]?.waitsUntil = until
        return []
    }

    func backoff(failures: Int) -> Double {
        min(limits.longestBackoff, limits.firstBackoff * Double(1 << min(max(0, failures - 2), 30)))
    }

    mutating func resize(to count: Int, at now: Double) -> [Action] {
        guard stop == nil else { return [] }
        let count = max(1, min(count, mostRows / 2))
        var actions: [Action] = []
        while capacity > count, let slot = slots.keys.max() { actions += remove(slot, at: now) }
        actions += resume(at: now)
        while capacity < count {
            let taken = slots
            let slot = (1...).first { taken[$0] == nil } ?? 1
            actions += fill(slot, at: now)
        }
        return actions + advance(at: now)
    }

    mutating func remove(_ slot: Int, at now: Double) -> [Action] {
        guard let removed = slots.removeValue(forKey: slot) else { return [] }
        if replacing == slot { replacing = nil }
        return (removed.replacement.map { discard($0) } ?? []) + (removed.current.map { retire($0, at: now) } ?? [])
    }
}
