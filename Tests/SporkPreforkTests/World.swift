// A master without processes: does at once what supervision asks for, and keeps a log of it. What the tests of supervision share.
import SporkPrefork

final class World {
    var supervision: Supervision
    var now = 0.0
    /// All actions since it was last emptied.
    var log: [Supervision.Action] = []
    var refusesForks = false
    /// What was handed over to another program.
    var handedOver: Supervision.Snapshot?
    private var nextPID: Int32 = 101

    /// A world with workers in it that run since 0.
    init(workers: Int, limits: Supervision.Limits = Supervision.Limits(), ready: Bool = true) {
        supervision = Supervision(limits: limits, mostRows: 64)
        perform(supervision.start(workers: workers, at: 0))
        if ready { readyAll() }
        log = []
    }

    /// A world that goes on with what another program has handed over.
    init(adopting snapshot: Supervision.Snapshot, failure: String? = nil, at now: Double) {
        supervision = Supervision(mostRows: 64)
        self.now = now
        nextPID = 1 + (snapshot.entries.map(\.pid).max() ?? 100)
        perform(supervision.adopt(snapshot, failure: failure, at: now))
    }

    /// Tells an event, does what is asked for, and gives everything that was.
    @discardableResult
    func tell(_ event: Supervision.Event) -> [Supervision.Action] {
        let before = log.count
        perform(supervision.on(event, at: now))
        return Array(log[before...])
    }

    /// Lets every worker that boots be ready, and those that are started for it, too.
    func readyAll() {
        while let row = supervision.bootingRows.first { tell(.ready(row: row)) }
    }

    /// The pid of the worker that has the slot, the newest where there are two.
    func pid(slot: Int) -> Int32 { supervision.pids.last { supervision.slot(of: $0) == slot } ?? -1 }

    /// The worker of a slot ends.
    func die(slot: Int, _ reason: String = "was ended by signal 9") {
        tell(.ended(pid: pid(slot: slot), reason: reason))
    }

    /// Those that were told to drain or die do.
    func buryRetiring() {
        for pid in supervision.pids where supervision.expectsEnd(of: pid) { tell(.ended(pid: pid, reason: "ended")) }
    }

    private func perform(_ actions: [Supervision.Action]) {
        var pending = actions
        while !pending.isEmpty {
            let action = pending.removeFirst()
            log.append(action)
            // From here on another program goes on.
            if case .revert = action { handedOver = supervision.snapshot }
            if handedOver != nil { return }
            guard case .fork(let row, _, _) = action else { continue }
            if refusesForks {
                pending += supervision.on(.forkFailed(row: row), at: now)
            } else {
                pending += supervision.on(.forked(row: row, pid: nextPID), at: now)
                nextPID += 1
            }
        }
    }
}
