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

    nonisolated(unsafe) private static var handle: OpaquePointer?
    nonisolated(unsafe) private static var isStopped = false
    nonisolated(unsafe) private static var jobsRun: UInt64 = 0

    /// libev's loop.
    package nonisolated static var libev: OpaquePointer {
        guard let handle else { preconditionFailure("this needs a running loop: call it inside EventLoop.run { }") }
        return handle
    }

    /// Whether the loop has been started in this process.
    package nonisolated static var isInstalled: Bool { handle != nil }

    /// Makes the calling thread the loop's and runs it until `body` has returned or thrown.
    ///
    /// The main actor, other actors, detached tasks, groups and sleeps are all scheduled by this loop from here on, on
    /// the calling thread. It can be called once in a process, on its first thread, and not before the last `fork`: a loop
    /// must never be shared with a child. Other tasks that still run when `body` ends are left where they are.
    ///
    /// - Throws: what `body` throws.
    public nonisolated static func run<Success>(
        _ body: @escaping @MainActor () async throws -> Success
    ) throws -> Success {
        install()
        // Written by the task below and read when the loop has stopped, both on this thread.
        nonisolated(unsafe) var outcome: Result<Success, any Error>?
        Task { @MainActor in
            do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
            isStopped = true
        }
        while !isStopped { turn() }
        guard let outcome else { preconditionFailure("the loop was stopped before its body ended") }
        return try outcome.get()
    }

    /// Seconds of a clock that never jumps, as of the last time the loop looked for events.
    ///
    /// Read once a turn, so that asking costs nothing.
    nonisolated(unsafe) package private(set) static var now: Double = 0

    /// Seconds since 1970, as of the last time the loop looked for events.
    package nonisolated static var wallClock: Double { ev_now(libev) }

    /// Counts the loop's turns: what was checked in this turn need not be checked again in it.
    nonisolated(unsafe) package private(set) static var turns: UInt64 = 0

    /// What the loop has done so far.
    public static var statistics: Statistics {
        Statistics(turns: turns, jobsRun: jobsRun, jobsEnqueued: spork_executor_enqueued())
    }

    /// Counters of a loop since its start.
    public struct Statistics: Sendable {
        /// How often the loop has looked at descriptors and timers.
        public var turns: UInt64
        /// How many jobs it has run: each is a coroutine's step from one suspension to the next.
        public var jobsRun: UInt64
        /// How many jobs it was given.
        public var jobsEnqueued: UInt64
    }

    private nonisolated static func turn() {
        ev_run(libev, spork_executor_has_jobs() ? Int32(EVRUN_NOWAIT) : Int32(EVRUN_ONCE))
        turns &+= 1
        now = monotonicSeconds()
        jobsRun &+= spork_executor_run(jobsBetweenPolls)
    }

    /// The clock behind `now`, read afresh.
    package nonisolated static func monotonicSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    private nonisolated static func install() {
        precondition(handle == nil, "a process has one loop, and it is running already")
        guard let loop = ev_loop_new(UInt32(EVFLAG_NOENV) | UInt32(EVBACKEND_EPOLL)) else {
            fatalError("libev cannot make a loop: \(String(cString: strerror(errno)))")
        }
        handle = loop
        now = monotonicSeconds()
        // Lives as long as the process: other threads may use it at any time.
        let wakeUp = UnsafeMutablePointer<ev_async>.allocate(capacity: 1)
        spork_async_init(wakeUp) { _, _, _ in }
        ev_async_start(loop, wakeUp)
        wakeUpWatcher = wakeUp
        installExecutors {
            guard let loop = EventLoop.handle, let watcher = EventLoop.wakeUpWatcher else { return }
            ev_async_send(loop, watcher)
        }
    }

    nonisolated(unsafe) private static var wakeUpWatcher: UnsafeMutablePointer<ev_async>?
}
