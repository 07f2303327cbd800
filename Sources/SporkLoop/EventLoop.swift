// The worker's loop: libev below, Swift's coroutines above, one thread.
//
// A turn is: let libev wait for descriptors and timers and call their callbacks, which only mark coroutines runnable; then
// run the runnable ones. `run` is called once in a process, after the last fork; everything else in here is called from
// code that this loop runs.
import CLibev
import CSporkShims
import Glibc

/// The event loop of this process: what schedules every Swift task in it.
///
/// A process has one loop and runs it on one thread, so there is nothing to pass around and nothing to lock.
public enum EventLoop {
    /// How many jobs may run before descriptors and timers are looked at again.
    ///
    /// Bounds how long a chain of runnable coroutines can keep I/O waiting.
    package nonisolated static let jobsBetweenPolls: UInt64 = 256

    @exclusivity(unchecked) nonisolated(unsafe) private static var handle: OpaquePointer?
    @exclusivity(unchecked) nonisolated(unsafe) private static var isStopped = false

    /// libev's loop.
    package nonisolated static var libev: OpaquePointer {
        guard let handle else { preconditionFailure("this needs a running loop: call it inside EventLoop.run { }") }
        return handle
    }

    /// libev's epoll descriptor; -1 when it was not found.
    @exclusivity(unchecked) nonisolated(unsafe) private(set) static var epoll: Int32 = -1

    /// Whether the loop has been started in this process.
    package nonisolated static var isInstalled: Bool { handle != nil }

    /// Makes the calling thread the loop's and runs it until `body` has returned or thrown.
    ///
    /// The main actor, other actors, detached tasks, groups and sleeps are all scheduled by this loop from here on, on
    /// the calling thread. It can be called once in a process, on its first thread, and not before the last `fork`: a loop
    /// must never be shared with a child. Other coroutines that still run when `body` ends are left where they are.
    ///
    /// - Throws: what `body` throws; `DeadlockError` when `body` waits and nothing can ever wake it.
    public nonisolated static func run<Success>(
        file: StaticString = #fileID,
        line: UInt = #line,
        _ body: @escaping @MainActor () async throws -> Success
    ) throws -> Success {
        install()
        // Both are used on this thread only: by the loop below and by what it runs.
        nonisolated(unsafe) var outcome: Result<Success, any Error>?
        nonisolated(unsafe) let root = AnyCoroutine(name: "main", file: file, line: line) { _ in }
        // Detached: what the caller's task has of task-local values is no business of the loop's.
        let task = Task.detached { @MainActor in
            if parksDirectly { _ = spork_executor_find_current() }
            TaskLocals.calibrate()
            root.hasStarted = true
            do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
            root.finish()
            isStopped = true
        }
        root.bind(to: unsafeBitCast(task, to: UnsafeMutableRawPointer.self))
        while !isStopped { try turn() }
        guard let outcome else { preconditionFailure("the loop was stopped before its body ended") }
        return try outcome.get()
    }

    /// Seconds of a clock that never jumps, as of the last time the loop looked for events, or later.
    ///
    /// Asking costs nothing: it is read once a turn, and by `recently`.
    @exclusivity(unchecked) nonisolated(unsafe) package private(set) static var now: Double = 0

    /// Seconds since 1970, as of the last time the loop looked for events.
    package nonisolated static var wallClock: Double { ev_now(libev) }

    /// Counts the loop's turns: what was checked in this turn need not be checked again in it.
    @exclusivity(unchecked) nonisolated(unsafe) package private(set) static var turns: UInt64 = 0

    /// Where the loop says when it began its present turn, in nanoseconds of its clock, and 0 while it waits: for others to see that it
    /// gets on.
    @exclusivity(unchecked) nonisolated(unsafe) package static var heartbeat: UnsafeMutablePointer<UInt64>?

    private nonisolated static func turn() throws {
        let waits = !spork_executor_has_jobs()
        if let heartbeat, waits { spork_store(heartbeat, 0) }
        let hasWatchers = ev_run(libev, waits ? Int32(EVRUN_ONCE) : Int32(EVRUN_NOWAIT)) != 0
        turns &+= 1
        readClock()
        if let heartbeat { spork_store(heartbeat, UInt64(now * 1e9)) }
        let ran = runJobs()
        if ran == 0, !hasWatchers, !spork_executor_has_jobs(), !isStopped { try waitForOtherThreads() }
    }

    // Nothing here can wake anybody any more. A thread that is not ours may: then only it can be waited for, and looked after now and
    // then, because it may end without a word. Without one it is a deadlock.
    private nonisolated static func waitForOtherThreads() throws {
        guard spork_thread_count() - idleThreads() != 1 else {
            // One that has ended may have left a job behind.
            if spork_executor_has_jobs() { return }
            throw DeadlockError(coroutines: dumpTasks())
        }
        let interval = LoopTimer {}
        interval.start(after: .seconds(1))
        ev_run(libev, Int32(EVRUN_ONCE))
    }

    /// How many threads there are beside the loop's that wait for work which only coroutines can give them.
    nonisolated(unsafe) package static var idleThreads: () -> Int32 = { 0 }

    /// Keeps the loop waiting for something that is not its own, until `endExternalWait`: a call on another thread, a signal.
    package nonisolated static func beginExternalWait() { ev_ref(libev) }

    /// Ends what `beginExternalWait` began.
    package nonisolated static func endExternalWait() { ev_unref(libev) }

    /// Seconds of the same clock, no older than a millisecond however long the present turn has taken already.
    package nonisolated static var recently: Double {
        if spork_ticks() &- ticksOfNow > mostTicksOfRecently { readClock() }
        return now
    }

    @exclusivity(unchecked) nonisolated(unsafe) private static var ticksOfNow: UInt64 = 0
    // A millisecond where ticks are slowest; less where they are faster.
    private nonisolated static let mostTicksOfRecently = UInt64(fewestTicksPerSecond / 1000)

    private nonisolated static func readClock() {
        now = monotonicSeconds()
        ticksOfNow = spork_ticks()
    }

    /// The clock behind `now`, read afresh.
    package nonisolated static func monotonicSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    @exclusivity(unchecked) nonisolated(unsafe) private static var libevTime = (wall: 0.0, seconds: 0.0)
    @exclusivity(unchecked) nonisolated(unsafe) private static var probe = ev_timer()

    /// What to give to a timer of libev's that shall be due at `deadline`.
    ///
    /// libev counts from the time at which it looked last, on a clock that it does not tell; that is read from a timer, once for each time
    /// that it has looked.
    nonisolated static func untilDue(_ deadline: Deadline) -> Double {
        let wall = ev_now(libev)
        if libevTime.wall != wall {
            let distance = 1e6
            spork_timer_init(&probe, { _, _, _ in }, distance)
            ev_timer_start(libev, &probe)
            libevTime = (wall, probe.at - distance)
            ev_timer_stop(libev, &probe)
        }
        return max(0, deadline.seconds - libevTime.seconds)
    }

    private nonisolated static func install() {
        precondition(handle == nil, "a process has one loop, and it is running already")
        guard let loop = ev_loop_new(UInt32(EVFLAG_NOENV) | UInt32(EVBACKEND_EPOLL)) else {
            fatalError("libev cannot make a loop: \(String(cString: strerror(errno)))")
        }
        handle = loop
        // A peer that is gone is an error of the write, not of the process; sendfile(2) cannot be told so by a flag.
        spork_ignore_signal_unless_handled(SIGPIPE)
        epoll = spork_newest_epoll()
        readClock()
        // Lives as long as the process: other threads may use it at any time. It keeps nobody waiting.
        let wakeUp = UnsafeMutablePointer<ev_async>.allocate(capacity: 1)
        spork_async_init(wakeUp) { _, _, _ in }
        ev_async_start(loop, wakeUp)
        ev_unref(loop)
        wakeUpWatcher = wakeUp
        installExecutors {
            guard let loop = EventLoop.handle, let watcher = EventLoop.wakeUpWatcher else { return }
            ev_async_send(loop, watcher)
        }
    }

    @exclusivity(unchecked) nonisolated(unsafe) private static var wakeUpWatcher: UnsafeMutablePointer<ev_async>?
}

/// Nothing can ever wake the coroutine that `EventLoop.run` waits for.
public struct DeadlockError: Error, CustomStringConvertible {
    /// What each coroutine was waiting for; see `EventLoop.dumpTasks`.
    public let coroutines: String

    /// What happened, and who waits for what.
    public var description: String { "deadlock: every coroutine waits, and nothing can wake one\n" + coroutines }
}
