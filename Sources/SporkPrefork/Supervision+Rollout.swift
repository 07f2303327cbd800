// Supervision: replacing workers that serve, one at a time and the replacement first: for a reload, for an upgrade, and for
// those that are recycled. A rollout fails as a whole: then the old generation takes the places back that it has lost.

nonisolated extension Supervision {
    /// Whether a change is under way.
    package var isChanging: Bool { fallback != nil || check != nil }

    mutating func reload(at now: Double) -> [Action] {
        guard stop == nil else { return [.verdict(.reload, failure: "the server is about to end")] }
        if isChanging {
            reloadsAgain = true
            return []
        }
        check = (.configuration, now + limits.boot)
        return [.check(.configuration)]
    }

    mutating func upgrade(at now: Double) -> [Action] {
        guard stop == nil else { return [.verdict(.upgrade, failure: "the server is about to end")] }
        guard !isChanging else { return [.verdict(.upgrade, failure: "another reload or upgrade is under way")] }
        check = (.program, now + limits.boot)
        return [.check(.program)]
    }

    mutating func checked(_ kind: Check, _ failure: String?, at now: Double) -> [Action] {
        guard stop == nil, check?.kind == kind else { return [] }
        check = nil
        switch kind {
        case .program:
            guard let failure else { return [.execute] }
            return [.verdict(.upgrade, failure: failure)] + reloadAgain(at: now)
        case .configuration:
            if let failure { return [.verdict(.reload, failure: failure)] + reloadAgain(at: now) }
            return begin(.reload, at: now)
        }
    }

    mutating func executeFailed(_ reason: String, at now: Double) -> [Action] {
        [.verdict(.upgrade, failure: reason)] + reloadAgain(at: now) + advance(at: now)
    }

    /// Begins to replace all workers with ones of a new generation.
    mutating func begin(_ change: Change, at now: Double) -> [Action] {
        lastGeneration += 1
        fallback = generation
        generation = lastGeneration
        self.change = change
        (wasPaused, isPaused) = (isPaused, false)
        return [.prepared(generation: generation)] + advance(at: now)
    }

    /// Replaces the next worker that has to be, if none is being replaced.
    mutating func advance(at now: Double) -> [Action] {
        guard stop == nil, !isPaused, check == nil, replacing == nil else { return [] }
        for (number, slot) in slots.sorted(by: { $0.key < $1.key }) {
            guard let current = slot.current.flatMap({ processes[$0] }) else {
                // Nobody there: it waits to be filled, and during a rollout it gets the new generation at once.
                if fallback == nil { continue }
                replacing = number
                return fill(number, generation: generation, at: now)
            }
            let isOld = current.generation != generation
            let isRecycled = fallback == nil && slot.recycling != nil && slot.recyclesAfter <= now
            guard isOld || isRecycled else { continue }
            // One that boots is waited for: it may be the only one that is about to serve.
            guard current.isReady else { continue }
            if !isOld, let reason = slot.recycling {
                return startReplacement(number, at: now) + [.reportRecycling(row: current.row, reason: reason)]
            }
            return startReplacement(number, at: now)
        }
        return finishRollout(at: now)
    }

    private mutating func startReplacement(_ slot: Int, at now: Double) -> [Action] {
        guard let row = freeRow else { return [] }
        processes[row] = Process(row: row, slot: slot, generation: generation)
        slots[slot]?.replacement = row
        replacing = slot
        return [.fork(row: row, slot: slot, generation: generation)]
    }

    private mutating func finishRollout(at now: Double) -> [Action] {
        guard fallback != nil, let change else { return [] }
        // Only when all of the new generation serve has it succeeded.
        let isComplete = slots.values.allSatisfy { slot in
            guard let process = slot.current.flatMap({ processes[$0] }) else { return false }
            return process.generation == generation && process.isReady
        }
        guard isComplete else { return [] }
        if let nextCapacity, capacity < nextCapacity {
            let taken = slots
            guard let slot = (1...nextCapacity).first(where: { taken[$0] == nil }) else { return [] }
            addedSlots.insert(slot)
            replacing = slot
            return fill(slot, generation: generation, at: now)
        }
        let wanted = nextCapacity
        (fallback, self.change, nextCapacity, addedSlots) = (nil, nil, nil, [])
        // First the verdict: the master does with it what has to be done before the last of the old workers drains.
        return [.verdict(change, failure: nil)] + (wanted.map { resize(to: $0, at: now) } ?? []) + reloadAgain(at: now)
    }

    /// Goes back to the generation that is known to work.
    mutating func failRollout(_ reason: String, at now: Double) -> [Action] {
        guard let old = fallback, let change else { return [] }
        let failed = generation
        (generation, fallback, self.change) = (old, nil, nil)
        replacing = nil
        var actions: [Action] = [.rolledBack(generation: failed)]
        for number in addedSlots.sorted() where slots[number] != nil { actions += remove(number, at: now) }
        (nextCapacity, addedSlots) = (nil, [])
        for (number, slot) in slots.sorted(by: { $0.key < $1.key }) {
            if let row = slot.replacement, processes[row]?.generation == failed {
                slots[number]?.replacement = nil
                actions += discard(row)
            }
        }
        // Before a program goes back: what is told after that nobody does.
        if wasPaused { actions += pause(at: now) }
        actions.append(change == .upgrade ? .revert(reason: reason) : .verdict(change, failure: reason))
        if isPaused { return actions + reloadAgain(at: now) }
        for (number, slot) in slots.sorted(by: { $0.key < $1.key }) where slot.current == nil && slot.waitsUntil == nil
        {
            actions += fill(number, at: now)
        }
        return actions + advance(at: now) + reloadAgain(at: now)
    }

    /// Starts the reload that was asked for while another change was under way.
    mutating func reloadAgain(at now: Double) -> [Action] {
        guard reloadsAgain, !isChanging else { return [] }
        reloadsAgain = false
        return reload(at: now)
    }

    mutating func checkExpired(at now: Double) -> [Action] {
        guard let (kind, until) = check, until <= now else { return [] }
        return [.endCheck] + checked(kind, "the check took longer than \(limits.boot) s", at: now)
    }
}
