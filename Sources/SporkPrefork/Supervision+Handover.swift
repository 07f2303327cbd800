// Supervision: what a program hands over to the one that takes its place in the same process (an upgrade, or going back from
// one), and how that one goes on. Everything that is about time is in seconds of the monotonic clock, which both share.

nonisolated extension Supervision {
    /// What the next program has to know.
    package struct Snapshot: Equatable, Sendable {
        /// A process and what it is for.
        package struct Entry: Equatable, Sendable {
            /// What it is doing.
            package enum Role: String, Sendable {
                case booting, ready, retiring
            }

            package var row: Int
            package var slot: Int
            package var generation: Int
            package var pid: Int32
            package var role: Role

            package init(row: Int, slot: Int, generation: Int, pid: Int32, role: Role) {
                (self.row, self.slot, self.generation) = (row, slot, generation)
                (self.pid, self.role) = (pid, role)
            }
        }

        package var entries: [Entry]
        /// The numbers of all slots, those without a process included.
        package var slots: [Int]
        package var generation: Int
        package var lastGeneration: Int
        package var isPaused: Bool
        /// Whether a reload was asked for that has not begun.
        package var reloadsAgain = false

        package init(
            entries: [Entry] = [],
            slots: [Int] = [],
            generation: Int = 1,
            lastGeneration: Int = 1,
            isPaused: Bool = false
        ) {
            (self.entries, self.slots, self.isPaused) = (entries, slots, isPaused)
            (self.generation, self.lastGeneration) = (generation, lastGeneration)
        }
    }

    /// What there is to hand over now.
    package var snapshot: Snapshot {
        let entries = processes.values.filter { $0.pid != 0 }.sorted { $0.row < $1.row }.map { process in
            let role: Snapshot.Entry.Role =
                switch process.phase {
                case .forking, .booting: .booting
                case .ready: .ready
                case .retiring: .retiring
                }
            return Snapshot.Entry(
                row: process.row,
                slot: process.slot,
                generation: process.generation,
                pid: process.pid,
                role: role
            )
        }
        var snapshot = Snapshot(
            entries: entries,
            slots: slots.keys.sorted(),
            generation: knownGeneration,
            lastGeneration: lastGeneration,
            isPaused: isPaused
        )
        snapshot.reloadsAgain = reloadsAgain
        return snapshot
    }

    /// Goes on where another program has stopped.
    ///
    /// - Parameter failure: nil to replace all workers by ones of this program; else why the program that was to take this one's
    ///   place has not: then only the workers that it has started are replaced.
    /// - Returns: the first actions.
    package mutating func adopt(_ snapshot: Snapshot, failure: String? = nil, at now: Double) -> [Action] {
        (generation, lastGeneration, isPaused) = (snapshot.generation, snapshot.lastGeneration, snapshot.isPaused)
        (hasServed, wasServing, reloadsAgain) = (true, true, snapshot.reloadsAgain)
        for slot in snapshot.slots { slots[slot] = Slot() }
        for entry in snapshot.entries {
            var process = Process(row: entry.row, slot: entry.slot, generation: entry.generation)
            process.pid = entry.pid
            process.accountableSince = now
            switch entry.role {
            case .booting: process.phase = .booting(until: now + limits.boot)
            case .ready: process.phase = .ready(since: now)
            case .retiring: process.phase = .retiring(killAt: now + limits.graceful)
            }
            processes[entry.row] = process
        }
        var actions: [Action] = []
        // Those that serve before those that boot.
        let order = processes.values.sorted { ($0.isReady ? 0 : 1, $0.row) < ($1.isReady ? 0 : 1, $1.row) }
        for process in order where !process.isRetiring {
            if slots[process.slot] != nil, slots[process.slot]?.current == nil {
                slots[process.slot]?.current = process.row
            } else {
                // A replacement whose order nobody remembers; it serves, or soon will, and another does already.
                actions += retire(process.row, at: now)
            }
        }
        if processes.values.contains(where: \.isReady) { observesAt = now + limits.observation }
        if !isPaused {
            for (number, slot) in slots.sorted(by: { $0.key < $1.key }) where slot.current == nil {
                slots[number]?.waitsUntil = now
            }
        }
        if let failure {
            return actions + [.verdict(.upgrade, failure: failure)] + advance(at: now) + reloadAgain(at: now)
        }
        return actions + begin(.upgrade, at: now)
    }
}
