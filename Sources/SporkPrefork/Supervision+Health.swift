// Supervision: workers that hang, and workers that are replaced although they are well.
//
// A worker hangs when its loop has not turned for too long while there was something to do. It is not blamed for time in
// which it was stopped, nor for time in which the master itself did not get to run: then the whole machine stood still.

nonisolated extension Supervision {
    /// What the master slept longer than it should have was not the workers' fault.
    mutating func forgiveGap(before now: Double) {
        defer { lastEventAt = now }
        guard stop == nil, now - observesAt > limits.observation else { return }
        for row in processes.keys {
            processes[row]?.accountableSince = now
            processes[row]?.hangsAt = .infinity
        }
    }

    mutating func observed(_ row: Int, _ observation: Observation, at now: Double) -> [Action] {
        guard stop == nil, let process = processes[row], case .ready(let since) = process.phase else { return [] }
        if observation.isStopped { processes[row]?.accountableSince = now }
        processes[row]?.hangsAt = .infinity
        if let limit = limits.hang, let busy = observation.busySince, !observation.isStopped {
            let blamed = max(busy, process.accountableSince)
            if now - blamed >= limit { return hung(process, for: now - blamed, at: now) }
            processes[row]?.hangsAt = blamed + limit
        }
        guard slots[process.slot]?.current == row, slots[process.slot]?.recycling == nil,
            let reason = reasonToRecycle(process, observation, age: now - since)
        else { return [] }
        slots[process.slot]?.recycling = reason
        return advance(at: now)
    }

    private mutating func hung(_ process: Process, for seconds: Double, at now: Double) -> [Action] {
        processes[process.row]?.phase = .retiring(killAt: now + limits.abort)
        return [.reportHang(row: process.row, seconds: seconds), .abort(pid: process.pid)]
            // To its slot it is as good as dead already.
            + lost(process, "did not get on for \(Int(seconds.rounded())) s", failing: false, at: now)
    }

    private func reasonToRecycle(_ process: Process, _ observation: Observation, age: Double) -> String? {
        // Up to a tenth more, evenly over ten slots.
        let spread = Double((process.slot - 1) % 10) / 100
        if let limit = limits.requests, Double(observation.requests) >= Double(limit) * (1 + spread) {
            return "has answered \(observation.requests) requests"
        }
        if let limit = limits.memory, let memory = observation.memory, memory >= limit {
            return "has \(memory >> 20) MiB of memory of its own"
        }
        if let limit = limits.age, age >= limit * (1 + spread) { return "is \(Int(age)) s old" }
        return nil
    }

    /// Looks at the workers when it is time to.
    mutating func observe(at now: Double) -> [Action] {
        guard stop == nil else { return [] }
        let isDue = observesAt <= now || processes.values.contains { $0.isReady && $0.hangsAt <= now }
        guard isDue else { return [] }
        observesAt = processes.values.contains(where: \.isReady) ? now + limits.observation : .infinity
        for row in processes.keys { processes[row]?.hangsAt = .infinity }
        return [.observe]
    }
}
