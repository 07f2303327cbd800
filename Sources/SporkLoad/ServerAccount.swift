// What a server has used between the first look at its processes and the last, made of samples. Pure. Workers come and go meanwhile:
// one that came counts from its birth, one that was only found later from then on; one that has gone counts with what was last seen of
// it, or with what its parent was told when it waited for it, whichever is more.

/// Sums over the samples of a server's processes.
nonisolated struct ServerAccount {
    typealias Identity = ProcessSample.Identity

    /// Nanoseconds in a tick of /proc/PID/stat.
    static let tick = 10_000_000

    private var first: [Identity: ProcessSample] = [:]
    private var last: [Identity: ProcessSample] = [:]
    private var parents: Set<Identity> = []
    private var living: Set<Identity> = []
    private var samples = 0
    // When the first sample was taken.
    private var beginning = 0
    private var order: [Identity] = []
    /// Processes that were not there at the first sample.
    private(set) var came = 0
    /// Processes that were gone at a later one.
    private(set) var went = 0
    /// Memory in bytes, first, most, and last.
    private(set) var proportional: Span?
    private(set) var exclusive: Span?

    /// A quantity over time.
    struct Span: Equatable {
        var start: Int
        var peak: Int
        var end: Int

        mutating func add(_ value: Int) { (peak, end) = (max(peak, value), value) }
    }

    /// How many processes there are now.
    var processes: Int { living.count }

    /// Takes the next sample.
    mutating func add(_ sample: ServerSample) {
        let present = Set(sample.processes.map(\.identity))
        went += living.subtracting(present).count
        living = present
        if samples == 0 { beginning = sample.moment }
        for process in sample.processes {
            let identity = process.identity
            if last[identity] == nil {
                order.append(identity)
                let isNew = samples > 0 && identity.started >= beginning
                if isNew { came += 1 }
                first[identity] = isNew ? ProcessSample(pid: identity.pid, started: identity.started) : process
            }
            last[identity] = process
            if process.isParent { parents.insert(identity) }
        }
        samples += 1
        Self.add(sample.sum(\.proportionalMemory), to: &proportional)
        Self.add(sample.sum(\.privateMemory), to: &exclusive)
    }

    private static func add(_ value: Int?, to span: inout Span?) {
        guard let value else { return }
        if span == nil { span = Span(start: value, peak: value, end: value) } else { span?.add(value) }
    }

    /// Whether the kernel counts nanoseconds; else there are only ticks.
    var countsNanoseconds: Bool { !last.isEmpty && last.values.allSatisfy { $0.runNanoseconds != nil } }

    /// Processor time of all processes, in nanoseconds.
    var processorTime: Int {
        let ticks = userTicks + systemTicks
        guard countsNanoseconds else { return ticks * Self.tick }
        return total({ Self.time(of: $0) }, waited: { ($0.waitedUserTicks + $0.waitedSystemTicks) * Self.tick })
    }

    private var userTicks: Int { total(\.userTicks, waited: \.waitedUserTicks) }
    private var systemTicks: Int { total(\.systemTicks, waited: \.waitedSystemTicks) }

    /// The part of the processor time in the server's own code; nil when there was not one tick.
    var userShare: Double? {
        let (user, system) = (Double(userTicks), Double(systemTicks))
        return user + system > 0 ? user / (user + system) : nil
    }

    var voluntarySwitches: Int { total(\.voluntarySwitches) { _ in 0 } }
    var involuntarySwitches: Int { total(\.involuntarySwitches) { _ in 0 } }

    /// Processor time of each process without children, in nanoseconds: of a pre-fork server those are the workers.
    ///
    /// Empty when there is only one process.
    var workers: [(pid: Int32, nanoseconds: Int)] {
        guard order.count > 1 else { return [] }
        return order.filter { !parents.contains($0) }.map { identity in
            (identity.pid, spent(identity) { countsNanoseconds ? Self.time(of: $0) : Self.ticks(of: $0) })
        }
    }

    private static func ticks(of process: ProcessSample) -> Int { (process.userTicks + process.systemTicks) * tick }

    // Threads that have ended are missing in the nanoseconds, but not in the ticks.
    private static func time(of process: ProcessSample) -> Int { max(process.runNanoseconds ?? 0, ticks(of: process)) }

    private func spent(_ identity: Identity, _ value: (ProcessSample) -> Int) -> Int {
        guard let first = first[identity], let last = last[identity] else { return 0 }
        return max(0, value(last) - value(first))
    }

    private func total(_ value: (ProcessSample) -> Int, waited: (ProcessSample) -> Int) -> Int {
        var (there, gone, before, told) = (0, 0, 0, 0)
        for identity in order {
            if living.contains(identity) {
                there += spent(identity, value)
                told += spent(identity, waited)
            } else {
                gone += spent(identity, value)
                if let first = first[identity] { before += value(first) + waited(first) }
            }
        }
        return there + max(gone, told - before)
    }
}
