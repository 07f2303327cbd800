// Which workers should run, as a pure state machine: the master feeds it what happened and does what it answers. It knows
// slots and pids but calls nothing, so every rule in it is tested without forking.
//
// A slot is a worker's place: it keeps its number while the processes in it come and go. Capacity is the number of slots
// that are not retiring.

/// The rules by which the master starts, replaces and ends workers.
package nonisolated struct Supervision {
    /// The limits, in seconds.
    package struct Limits: Sendable {
        /// How long a retiring worker may finish what it has begun before it is killed.
        package var graceful: Double = 30
        /// A worker that ends sooner than this after its start counts as failing.
        package var soon: Double = 1
        /// The wait before the second replacement of a failing worker; it doubles from there.
        package var firstBackoff: Double = 0.1
        /// The longest such wait.
        package var longestBackoff: Double = 30

        package init() {}
    }

    /// What the master tells.
    package enum Event: Equatable {
        /// The answer to `.fork`: it runs.
        case forked(slot: Int, pid: Int32)
        /// The answer to `.fork`: the system refused.
        case forkFailed(slot: Int)
        /// A worker has ended, for whatever reason.
        case ended(pid: Int32)
        /// One worker more (TTIN).
        case grow
        /// One worker fewer, but never none (TTOU).
        case shrink
        /// Finish what has begun, then end (TERM, QUIT). Asked again: end at once.
        case stopGracefully
        /// End without finishing (INT). Asked again: end at once.
        case stopFast
        /// The time that `nextDeadline` named has come.
        case timePassed
    }

    /// What the master shall do.
    package enum Action: Equatable {
        /// Fork a worker for the slot and tell `forked` or `forkFailed`.
        case fork(slot: Int)
        /// Ask the worker to finish what it has begun and end.
        case drain(pid: Int32)
        /// Ask the worker to end now.
        case quit(pid: Int32)
        /// Kill it.
        case kill(pid: Int32)
        /// All have ended after a stop.
        case finish
    }

    private enum Place: Equatable {
        case starting
        case running(pid: Int32, since: Double)
        case waiting(until: Double)
        case retiring(pid: Int32, killAt: Double)
    }

    private enum Stop {
        case graceful, fast, atOnce
    }

    private let limits: Limits
    private var places: [Int: Place] = [:]
    private var failures: [Int: Int] = [:]
    private var stop: Stop?

    /// Starts with no workers; `start` says how many.
    package init(limits: Limits = Limits()) { self.limits = limits }

    /// Workers that run or are about to, without those that retire.
    package var capacity: Int {
        places.values.count { if case .retiring = $0 { false } else { true } }
    }

    /// The pids of all workers, those that retire included.
    package var pids: [Int32] {
        places.values.compactMap {
            switch $0 {
            case .running(let pid, _), .retiring(let pid, _): pid
            case .starting, .waiting: nil
            }
        }
    }

    /// The slot of the worker with this pid.
    package func slot(of pid: Int32) -> Int? {
        places.first {
            switch $0.value {
            case .running(pid, _), .retiring(pid, _): true
            default: false
            }
        }?.key
    }

    /// Whether the end of this worker is no surprise: it was asked for.
    package func expectsEnd(of pid: Int32) -> Bool {
        guard stop == nil, let slot = slot(of: pid), let place = places[slot] else { return true }
        if case .retiring = place { return true }
        return false
    }

    /// When `timePassed` has to be told next, in the seconds of the clock that events are told in.
    package var nextDeadline: Double? {
        places.values.compactMap { place -> Double? in
            switch place {
            case .waiting(let until): until
            case .retiring(_, let killAt): killAt.isFinite ? killAt : nil
            case .starting, .running: nil
            }
        }.min()
    }

    /// The first actions: as many workers as asked for, at least one.
    package mutating func start(workers: Int) -> [Action] {
        (1...max(1, workers)).map { fill(slot: $0) }
    }

    /// Takes one event and says what to do about it.
    package mutating func on(_ event: Event, at now: Double) -> [Action] {
        switch event {
        case .forked(let slot, let pid):
            places[slot] = .running(pid: pid, since: now)
            // A stop or a shrink that came between the order to fork and its answer.
            return stop == nil ? [] : endAll(at: now)
        case .forkFailed(let slot):
            return stop == nil ? replace(slot: slot, failing: true, at: now) : vacate(slot)
        case .ended(let pid):
            return ended(pid, at: now)
        case .grow:
            guard stop == nil else { return [] }
            let slot = (1...).first { places[$0] == nil } ?? 1
            return [fill(slot: slot)]
        case .shrink:
            return stop == nil ? shrink(at: now) : []
        case .stopGracefully:
            stop = stop == nil ? .graceful : .atOnce
            return endAll(at: now)
        case .stopFast:
            stop = stop == nil || stop == .graceful ? .fast : .atOnce
            return endAll(at: now)
        case .timePassed:
            return timePassed(at: now)
        }
    }

    private mutating func fill(slot: Int) -> Action {
        places[slot] = .starting
        return .fork(slot: slot)
    }

    private mutating func vacate(_ slot: Int) -> [Action] {
        places[slot] = nil
        failures[slot] = nil
        return stop != nil && places.isEmpty ? [.finish] : []
    }

    private mutating func ended(_ pid: Int32, at now: Double) -> [Action] {
        guard let slot = slot(of: pid), let place = places[slot] else { return [] }
        if stop != nil { return vacate(slot) }
        guard case .running(_, let since) = place else { return vacate(slot) }
        return replace(slot: slot, failing: now - since < limits.soon, at: now)
    }

    // The first replacement is immediate; only a worker that keeps failing has to wait, longer each time.
    private mutating func replace(slot: Int, failing: Bool, at now: Double) -> [Action] {
        let count = failing ? (failures[slot] ?? 0) + 1 : 0
        failures[slot] = count
        guard count > 1 else { return [fill(slot: slot)] }
        let factor = Double(1 << min(count - 2, 30))
        places[slot] = .waiting(until: now + min(limits.longestBackoff, limits.firstBackoff * factor))
        return []
    }

    private mutating func shrink(at now: Double) -> [Action] {
        let candidates = places.filter { if case .retiring = $0.value { false } else { true } }.keys.sorted()
        guard candidates.count > 1, let slot = candidates.last, let place = places[slot] else { return [] }
        switch place {
        case .running(let pid, _):
            places[slot] = .retiring(pid: pid, killAt: now + limits.graceful)
            return [.drain(pid: pid)]
        case .waiting, .starting, .retiring:
            return vacate(slot)
        }
    }

    private mutating func endAll(at now: Double) -> [Action] {
        var actions: [Action] = []
        for (slot, place) in places.sorted(by: { $0.key < $1.key }) {
            switch place {
            case .waiting, .starting:
                places[slot] = nil
            case .running(let pid, _), .retiring(let pid, _):
                places[slot] = .retiring(pid: pid, killAt: stop == .atOnce ? .infinity : now + limits.graceful)
                switch stop {
                case .atOnce: actions.append(.kill(pid: pid))
                case .fast: actions.append(.quit(pid: pid))
                case .graceful, nil: actions.append(.drain(pid: pid))
                }
            }
        }
        if places.isEmpty { actions.append(.finish) }
        return actions
    }

    private mutating func timePassed(at now: Double) -> [Action] {
        var actions: [Action] = []
        for (slot, place) in places.sorted(by: { $0.key < $1.key }) {
            switch place {
            case .waiting(let until) where until <= now:
                actions.append(fill(slot: slot))
            case .retiring(let pid, let killAt) where killAt <= now:
                places[slot] = .retiring(pid: pid, killAt: .infinity)
                actions.append(.kill(pid: pid))
            default:
                break
            }
        }
        return actions
    }
}
