// Makes the loop Swift's main and default executor. All that depends on the toolchain's unpublished interfaces is here and
// in CSporkShims/executor.c: the names are expected to change, the rest of Spork is not.
//
// Two mechanisms, both needed on Swift 6.3: the executor factory (tasks that yield, sleep, or hop to the main actor go to
// executor objects) and the runtime's hooks (everything else, without the price of a call through a protocol). With the
// environment variable SPORK_LOOP_HOOKS=0 the factory works alone; a test compares the two.
import CLibev
import CSporkShims
import Glibc
@_spi(ExperimentalCustomExecutors) @_spi(ExperimentalScheduling) import _Concurrency

extension EventLoop {
    nonisolated static func installExecutors(wakeUp: @escaping @convention(c) () -> Void) {
        wakeUpLoop = wakeUp
        _createExecutors(factory: LoopExecutors.self)
        let main = unsafeBitCast(
            LoopExecutors.loopMainExecutor.asUnownedSerialExecutor(),
            to: SporkExecutorReference.self
        )
        let withoutHooks = getenv("SPORK_LOOP_HOOKS").map { String(cString: $0) == "0" } ?? false
        parksDirectly = knowsLayout && !withoutHooks
        guard spork_executor_install(!withoutHooks, main, { _ in EventLoop.wakeUpLoop?() }, nil) else {
            fatalError("another library has taken over Swift's executors; Spork's loop cannot run beside it")
        }
    }

    nonisolated(unsafe) fileprivate static var wakeUpLoop: (@convention(c) () -> Void)?
}

@_silgen_name("spork_park")
@usableFromInline
nonisolated(nonsending) func sporkPark() async

@_silgen_name("spork_step_back")
@usableFromInline
nonisolated(nonsending) func sporkStepBack() async

/// A place where one coroutine at a time leaves the loop's thread.
@usableFromInline package nonisolated class Parking {
    /// The coroutine that is parked here: what it takes to make it runnable.
    @exclusivity(unchecked) fileprivate(set) final var parked: UnsafeMutableRawPointer?

    package init() {}

    /// Takes the running task for the one that is parked here; false when it has to suspend in the runtime's way.
    @usableFromInline final func settle() -> Bool {
        parked = spork_task_to_park()
        return parked != nil
    }
}

extension EventLoop {
    // The layouts that executor.c relies on are those of these compilers' runtimes. With a newer one coroutines suspend on
    // continuations, at more than twice the price, until somebody has looked.
    #if compiler(<6.4)
    private nonisolated static let knowsLayout = true
    #else
    private nonisolated static let knowsLayout = false
    #endif

    @exclusivity(unchecked) @usableFromInline nonisolated(unsafe) static var parksDirectly = false

    /// Suspends the calling coroutine until `unpark`, which has to follow exactly once; cancelling does not end it.
    @inlinable
    @inline(__always)
    package nonisolated(nonsending) static func park(in place: Unmanaged<some Parking>) async {
        guard parksDirectly, place._withUnsafeGuaranteedRef({ $0.settle() }) else {
            return await parkOnContinuation(in: place.takeUnretainedValue())
        }
        await sporkPark()
    }

    // Out of line, because its frame is large and hardly ever needed.
    @inline(never)
    @usableFromInline nonisolated(nonsending) static func parkOnContinuation(in place: Parking) async {
        precondition(spork_executor_is_current(), "a task that runs outside the loop's thread cannot wait on the loop")
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            place.parked = unsafeBitCast(continuation, to: UnsafeMutableRawPointer.self) + continuationMark
        }
    }

    /// Makes the coroutine that is parked in `place` runnable: it goes on behind those that are runnable already.
    package nonisolated static func unpark(_ place: Parking) {
        guard let parked = place.parked else { return }
        place.parked = nil
        guard UInt(bitPattern: parked) & UInt(continuationMark) != 0 else { return spork_executor_unpark(parked) }
        unsafeBitCast(parked - continuationMark, to: UnsafeContinuation<Void, Never>.self).resume()
    }

    // Both are addresses of tasks, which are even; what suspended in the runtime's way is marked as odd.
    private nonisolated static let continuationMark = 1

    /// Lets every coroutine that is runnable go first.
    @inlinable @inline(__always) package nonisolated(nonsending) static func stepBack() async {
        if parksDirectly, spork_task_to_park() != nil { await sporkStepBack() } else { await Task.yield() }
    }

    /// Has descriptors and timers looked at behind the running job, also where other jobs wait.
    package static func endTurn() { spork_executor_end_batch() }
}

/// Whether the running task has task-local values, which the runtime does not tell: it is read from the task itself, at a place
/// that `calibrate` finds out.
nonisolated enum TaskLocals {
    @TaskLocal private static var probe = 0
    nonisolated(unsafe) private static var offset: Int?

    /// Finds the word of a task that is zero without values and not zero with them; to be called in a task without any.
    static func calibrate() {
        guard let task = spork_current_task() else { return }
        let words = 8..<48
        func snapshot() -> [UInt] { words.map { task.load(fromByteOffset: $0 * 8, as: UInt.self) } }
        let before = snapshot()
        let (one, two) = $probe.withValue(1) { (snapshot(), $probe.withValue(2) { snapshot() }) }
        let after = snapshot()
        let found = words.indices.filter { index in
            let place = index - words.lowerBound
            return before[place] == 0 && one[place] != 0 && two[place] != 0 && one[place] != two[place]
                && after[place] == 0
        }
        offset = found.count == 1 ? found[0] * 8 : nil
    }

    /// Whether there may be any; true where that is not known.
    static var mayExist: Bool {
        guard let offset, let task = spork_current_task() else { return true }
        return task.load(fromByteOffset: offset, as: UInt.self) != 0
    }
}

private nonisolated enum LoopExecutors: ExecutorFactory {
    static let loopMainExecutor = LoopMainExecutor()
    static let loopTaskExecutor = LoopTaskExecutor()
    static var mainExecutor: any MainExecutor { loopMainExecutor }
    static var defaultExecutor: any TaskExecutor { loopTaskExecutor }
}

private nonisolated final class LoopTaskExecutor: TaskExecutor, SchedulingExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        spork_executor_enqueue(unsafeBitCast(UnownedJob(job), to: UnsafeMutableRawPointer.self), false)
    }

    func enqueue<C: Clock>(
        _ job: consuming ExecutorJob,
        after delay: C.Duration,
        tolerance: C.Duration?,
        clock: C
    ) {
        DelayedJob.schedule(UnownedJob(job), after: delay, onMain: false)
    }

    func enqueue<C: Clock>(
        _ job: consuming ExecutorJob,
        at instant: C.Instant,
        tolerance: C.Duration?,
        clock: C
    ) {
        DelayedJob.schedule(UnownedJob(job), after: clock.now.duration(to: instant), onMain: false)
    }
}

private nonisolated final class LoopMainExecutor: MainExecutor, SchedulingExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        spork_executor_enqueue(unsafeBitCast(UnownedJob(job), to: UnsafeMutableRawPointer.self), true)
    }

    func enqueue<C: Clock>(
        _ job: consuming ExecutorJob,
        after delay: C.Duration,
        tolerance: C.Duration?,
        clock: C
    ) {
        DelayedJob.schedule(UnownedJob(job), after: delay, onMain: true)
    }

    func enqueue<C: Clock>(
        _ job: consuming ExecutorJob,
        at instant: C.Instant,
        tolerance: C.Duration?,
        clock: C
    ) {
        DelayedJob.schedule(UnownedJob(job), after: clock.now.duration(to: instant), onMain: true)
    }

    func run() throws { fatalError("Spork's loop is run by EventLoop.run { }, from synchronous code") }
    func stop() {}
    func checkIsolated() { precondition(spork_executor_is_current(), "not on the loop's thread") }
    func isIsolatingCurrentContext() -> Bool? { spork_executor_is_current() }
}

/// A job that waits for its time: what `Task.sleep` leaves behind.
///
/// The runtime has no call that takes such a job back, so a cancelled sleep stays here until its time has come. Spork's own
/// sleeps and timeouts use `LoopTimer` instead.
private nonisolated struct DelayedJob {
    private var timer: ev_timer
    private var job: UnsafeMutableRawPointer
    private var onMain: Bool

    static func schedule<D: DurationProtocol>(_ job: UnownedJob, after delay: D, onMain: Bool) {
        guard let duration = delay as? Duration else {
            fatalError("only clocks that measure in Duration can sleep on Spork's loop, not in \(D.self)")
        }
        precondition(spork_executor_is_current(), "a task that runs outside the loop's thread cannot sleep on the loop")
        let pointer = UnsafeMutablePointer<DelayedJob>.allocate(capacity: 1)
        pointer.initialize(
            to: DelayedJob(
                timer: ev_timer(),
                job: unsafeBitCast(job, to: UnsafeMutableRawPointer.self),
                onMain: onMain
            )
        )
        let loop = EventLoop.libev
        ev_now_update(loop)
        // The timer is the first field, so its address is the whole's.
        let timer = UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: ev_timer.self)
        spork_timer_init(timer, { _, timer, _ in DelayedJob.fire(timer) }, max(0, duration.seconds))
        ev_timer_start(loop, timer)
    }

    private static func fire(_ timer: UnsafeMutablePointer<ev_timer>?) {
        guard let timer else { return }
        let pointer = UnsafeMutableRawPointer(timer).assumingMemoryBound(to: DelayedJob.self)
        let (job, onMain) = (pointer.pointee.job, pointer.pointee.onMain)
        pointer.deinitialize(count: 1)
        pointer.deallocate()
        spork_executor_enqueue(job, onMain)
    }
}
