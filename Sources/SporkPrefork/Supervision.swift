// Which workers should run, as a pure state machine: the master feeds it what happened and does what it answers. It knows
// slots, rows of the scoreboard and pids but calls nothing, so every rule in it is tested without forking.
//
// A slot is a worker's place: it keeps its number while the processes in it come and go. A row is a process's place on the
// scoreboard: while a replacement starts beside the worker that it replaces, a slot has two. Whatever the reason to replace a
// worker that serves, its replacement is ready first, and only one is replaced at a time.
//
// This file has the words; what happens on each event is in the extensions: +Workers (start, end, backoff), +Rollout (reload,
// upgrade, one by one), +Health (hangs, recycling), +Stop.

/// The rules by which the master starts, replaces and ends workers.
package nonisolated struct Supervision {
    /// The limits, in seconds.
    package struct Limits: Sendable {
        /// How long a retiring worker may finish what it has begun before it is killed.
        package var graceful: Double = 30
        /// How long workers go on serving after a graceful stop was announced.
        package var shutdownDelay: Double = 0
        /// How long a worker that was told to end at once may take.
        package var fast: Double = 2
        /// How long a worker may take until it serves, and a check until it has an answer.
        package var boot: Double = 30
        /// How long a worker's loop may not turn; nil for as long as it likes.
        package var hang: Double? = 30
        /// How long a worker that was told to abort may take to die.
        package var abort: Double = 0.5
        /// How often workers are looked at.
        package var observation: Double = 1
        /// A worker that ends sooner than this after it was ready counts as failing.
        package var soon: Double = 1
        /// The wait before the second replacement of a failing worker; it doubles from there.
        package var firstBackoff: Double = 0.1
        /// The longest such wait.
        package var longestBackoff: Double = 30
        /// The wait after a worker could not be replaced although it is well.
        package var retry: Double = 10
        /// How many workers may fail to start before any has served; then the server gives up.
        package var mostFailedStarts = 3
        /// How many requests a worker answers before it is replaced; nil for any number.
        ///
        /// Each slot has a little more than the one
        /// before, so that they do not come to it together.
        package var requests: UInt64?
        /// How many bytes of private memory a worker may have before it is replaced; nil for any number.
        package var memory: UInt64?
        /// How old a worker gets before it is replaced; nil for any age.
        ///
        /// Spread as `requests` is.
        package var age: Double?

        package init() {}
    }

    /// What a check before a change is about.
    package enum Check: Equatable, Sendable {
        /// Whether the configuration can be loaded again.
        case configuration
        /// Whether the program on the disk starts, understands what it is handed over, and has a worker that gets ready.
        case program
    }

    /// A change that somebody waits for.
    package enum Change: String, Sendable {
        case reload, upgrade
    }

    /// What the master sees of a worker when it looks.
    package struct Observation: Equatable, Sendable {
        /// When its loop began the present turn; nil while it waits for something to do.
        package var busySince: Double?
        /// Whether somebody has stopped it (SIGSTOP, a debugger).
        package var isStopped: Bool
        /// Requests it has answered.
        package var requests: UInt64
        /// Bytes of private memory; nil when nobody asked.
        package var memory: UInt64?

        package init(busySince: Double? = nil, isStopped: Bool = false, requests: UInt64 = 0, memory: UInt64? = nil) {
            (self.busySince, self.isStopped, self.requests, self.memory) = (busySince, isStopped, requests, memory)
        }
    }

    /// What the master tells.
    package enum Event: Equatable {
        /// The answer to `.fork`: it runs.
        case forked(row: Int, pid: Int32)
        /// The answer to `.fork`: the system refused.
        case forkFailed(row: Int)
        /// A worker serves: its loop turns and its listeners are armed.
        case ready(row: Int)
        /// A worker has ended, for whatever reason.
        case ended(pid: Int32, reason: String)
        /// The answer to `.observe`, for one worker.
        case observed(row: Int, Observation)
        /// One worker more (TTIN).
        case grow
        /// One worker fewer, but never none (TTOU).
        case shrink
        /// So many workers, at least one.
        case resize(Int)
        /// Load the configuration again and replace all workers (HUP).
        case reload
        /// Replace the program (USR2).
        case upgrade
        /// The answer to `.check`: nil when all is well.
        case checked(Check, failure: String?)
        /// The change that begins next brings so many workers with it.
        case capacityFollows(Int)
        /// The answer to `.execute` or `.revert`, which have none when they succeed.
        case executeFailed(reason: String)
        /// Drain all workers and start no others until a reload or a resize (WINCH).
        case pause
        /// Let all workers open their logs again (USR1).
        case reopenLogs
        /// Finish what has begun, then end (TERM, QUIT). Asked again: end at once.
        case stopGracefully
        /// End without finishing (INT). Asked again: end at once.
        case stopFast
        /// The time that `nextDeadline` named has come.
        case timePassed
    }

    /// What the master shall do.
    package enum Action: Equatable {
        /// Fork a worker and tell `forked` or `forkFailed`.
        case fork(row: Int, slot: Int, generation: Int)
        /// Ask the worker to finish what it has begun and end.
        case drain(pid: Int32)
        /// Ask the worker to end now.
        case quit(pid: Int32)
        /// End it so that a trace is left.
        case abort(pid: Int32)
        /// Kill it.
        case kill(pid: Int32)
        /// Have it open its logs again.
        case reopenLogs(pid: Int32)
        /// Look at all workers and tell `observed` for each.
        case observe
        /// Start a check in a process of its own and tell `checked`.
        case check(Check)
        /// End the check that runs: nobody wants its answer any more.
        case endCheck
        /// What was checked is generation `generation` from here on.
        case prepared(generation: Int)
        /// What was prepared for generation `generation` does not hold.
        case rolledBack(generation: Int)
        /// Become the program on the disk, handing everything over.
        case execute
        /// Become the program that this one has replaced.
        case revert(reason: String)
        /// A change has come to its end; nil when it went well.
        case verdict(Change, failure: String?)
        /// A worker hangs: say what it is doing.
        case reportHang(row: Int, seconds: Double)
        /// A worker is killed because its time is over: to get ready, or to finish.
        case reportKill(row: Int, reason: String)
        /// A worker is being replaced although it is well.
        case reportRecycling(row: Int, reason: String)
        /// All workers serve, for the first time.
        case serving
        /// The server is about to end: nobody should send it requests any more.
        case announceStop
        /// The workers drain: give up the listeners, so that the last worker's hold on them is the last one.
        case closeListeners
        /// All have ended after a stop, or because none could be started: `failure` says why.
        case finish(failure: String?)
    }

    enum Phase: Equatable {
        case forking
        case booting(until: Double)
        case ready(since: Double)
        case retiring(killAt: Double)
    }

    /// A process that was forked, or is about to be.
    struct Process: Equatable {
        let row: Int
        let slot: Int
        let generation: Int
        var pid: Int32 = 0
        var phase = Phase.forking
        /// From when on it can be blamed for not turning: later than its start when it, or the master, was stopped.
        var accountableSince: Double = 0
        /// When it will hang, from what is known of it.
        var hangsAt = Double.infinity

        var isReady: Bool { if case .ready = phase { true } else { false } }
        var isRetiring: Bool { if case .retiring = phase { true } else { false } }
    }

    /// A place for a worker.
    struct Slot: Equatable {
        /// The row of the worker that serves, or is to serve first.
        var current: Int?
        /// The row of the one that will take over.
        var replacement: Int?
        /// When the next is to be started, while there is none.
        var waitsUntil: Double?
        var failures = 0
        /// Why the worker is to be replaced although it is well.
        var recycling: String?
        /// Not before this, after a replacement has failed.
        var recyclesAfter = -Double.infinity
    }

    enum Stop: Equatable {
        case announced(until: Double)
        case graceful, fast, atOnce
    }

    package var limits: Limits
    let mostRows: Int
    var processes: [Int: Process] = [:]
    var slots: [Int: Slot] = [:]
    /// What new workers belong to; during a rollout, what is being rolled out.
    package internal(set) var generation = 1
    /// The highest that was ever used: a generation that failed is not used again.
    var lastGeneration = 1
    /// During a rollout, the generation that is gone back to when it fails.
    var fallback: Int?
    /// What the rollout is for.
    var change: Change?
    /// How many workers there will be when the change is complete; nil for as many as there are.
    var nextCapacity: Int?
    /// The slots that the change has added.
    var addedSlots: Set<Int> = []
    /// Whether all workers drained before the change.
    var wasPaused = false
    /// The check that runs, and when it has taken too long.
    var check: (kind: Check, until: Double)?
    /// The slot whose worker is being replaced.
    var replacing: Int?
    /// Whether a reload was asked for while another one ran.
    var reloadsAgain = false
    package internal(set) var isPaused = false
    var stop: Stop?
    /// Why the server gives up.
    var failure: String?
    var hasServed = false
    var wasServing = false
    var failedStarts = 0
    var observesAt = Double.infinity
    var lastEventAt: Double?

    /// Starts with no workers; `start` says how many.
    package init(limits: Limits = Limits(), mostRows: Int = 2048) { (self.limits, self.mostRows) = (limits, mostRows) }

    /// Takes one event and says what to do about it.
    package mutating func on(_ event: Event, at now: Double) -> [Action] {
        forgiveGap(before: now)
        switch event {
        case .forked(let row, let pid): return forked(row, pid, at: now)
        case .forkFailed(let row): return forkFailed(row, at: now)
        case .ready(let row): return ready(row, at: now)
        case .ended(let pid, let reason): return ended(pid, reason, at: now)
        case .observed(let row, let observation): return observed(row, observation, at: now)
        case .grow: return resize(to: capacity + 1, at: now)
        case .shrink: return resize(to: capacity - 1, at: now)
        case .resize(let count): return resize(to: count, at: now)
        case .reload: return reload(at: now)
        case .upgrade: return upgrade(at: now)
        case .checked(let kind, let failure): return checked(kind, failure, at: now)
        case .capacityFollows(let count):
            nextCapacity = max(1, min(count, mostRows / 2))
            return []
        case .executeFailed(let reason): return executeFailed(reason, at: now)
        case .pause: return pause(at: now)
        case .reopenLogs: return pids.map { .reopenLogs(pid: $0) }
        case .stopGracefully: return stopGracefully(at: now)
        case .stopFast: return stopFast(at: now)
        case .timePassed: return timePassed(at: now)
        }
    }
}
