// Waiting until a descriptor can be read or written. SporkNet's streams and listeners own one each; nothing but this and
// DescriptorWatcher touches libev's I/O watchers.
//
// Invariants: at most one coroutine waits in each direction; the descriptor outlives this object or `close` is called
// first. A watcher stays armed after it has woken its coroutine, because the coroutine nearly always waits again: a
// request then costs no change of the kernel's interest set. It is disarmed when it fires and nobody waits.
//
// Isolation: touched only on the loop's thread. It is not on the main actor because libev's callbacks are plain C.
import CLibev

/// Who is told when a descriptor can be read, where no coroutine waits for it.
package protocol ReadinessObserver: AnyObject {
    /// The descriptor can be read, its time has passed, or it is closed; called inside the loop's turn, once.
    nonisolated func readinessEnded(_ outcome: Wait.Outcome)
}

/// Whether a descriptor can be read or written, as something to wait for.
@usableFromInline package nonisolated final class Readiness {
    private struct Direction {
        var watcher: ev_io
        var waiter: Unmanaged<Wait>?
        var deadline: Double
        var isArmed: Bool
        // An armed watcher that nobody waits with keeps the loop from nothing.
        var isCounted: Bool
    }

    // One block on the heap for both directions and the timer they share.
    private struct Storage {
        var read: Direction
        var write: Direction
        var timer: ev_timer
        var timerIsDueAt: Double
    }

    private let loop: OpaquePointer
    @usableFromInline let descriptor: Int32
    private let storage: UnsafeMutablePointer<Storage>
    private var isClosed = false
    private var registration: ExclusiveRegistration?
    private unowned(unsafe) var observer: (any ReadinessObserver)?

    /// Prepares waiting for `descriptor`, which stays the caller's to close.
    ///
    /// - Parameter isShared: other processes wait for it to be readable, too, and only one of them shall be woken.
    package init(descriptor: Int32, isShared: Bool = false) {
        loop = EventLoop.libev
        self.descriptor = descriptor
        storage = .allocate(capacity: 1)
        let idle = Direction(watcher: ev_io(), waiter: nil, deadline: .infinity, isArmed: false, isCounted: false)
        storage.initialize(to: Storage(read: idle, write: idle, timer: ev_timer(), timerIsDueAt: .infinity))
        let this = Unmanaged.passUnretained(self).toOpaque()
        let (read, write, timer) = (Self.readWatcher(storage), Self.writeWatcher(storage), Self.timer(storage))
        spork_io_init(
            read,
            { _, watcher, _ in Readiness.of(watcher?.pointee.data)._withUnsafeGuaranteedRef { $0.becameReadable() } },
            descriptor,
            Self.reading
        )
        spork_io_init(
            write,
            { _, watcher, _ in Readiness.of(watcher?.pointee.data).takeUnretainedValue().becameWritable() },
            descriptor,
            Self.writing
        )
        spork_timer_init(
            timer,
            { _, timer, _ in Readiness.of(timer?.pointee.data).takeUnretainedValue().deadlinePassed() },
            0
        )
        read.pointee.data = this
        write.pointee.data = this
        timer.pointee.data = this
        if isShared { registration = ExclusiveRegistration(descriptor: descriptor, watcher: read) }
    }

    deinit {
        close()
        storage.deinitialize(count: 1)
        storage.deallocate()
    }

    // The two waits are inlined into their callers, which saves every idle connection two frames.

    /// Suspends until the descriptor can be read, `deadline` passes, `close` is called, or the coroutine is cancelled.
    ///
    /// Being ready may also mean having failed: the system call will tell. Allocates nothing. A second coroutine that waits at the same
    /// time is a programming error.
    @inlinable
    @inline(__always)
    package nonisolated(nonsending) func readable(until deadline: Deadline = .never) async -> Wait.Outcome {
        guard let place = beginReading(until: deadline) else { return .closed }
        let outcome = await Wait.park(at: place, for: Wait.Reason("read descriptor", Int(descriptor)))
        endReading()
        return outcome
    }

    /// Suspends until the descriptor can be written; otherwise like `readable`.
    @inlinable
    @inline(__always)
    package nonisolated(nonsending) func writable(until deadline: Deadline = .never) async -> Wait.Outcome {
        guard let place = beginWriting(until: deadline) else { return .closed }
        let outcome = await Wait.park(at: place, for: Wait.Reason("write descriptor", Int(descriptor)))
        endWriting()
        return outcome
    }

    /// Has the loop watch for input; nil when this is closed.
    ///
    /// - Returns: where the wait is to be found.
    @usableFromInline func beginReading(until deadline: Deadline) -> UnsafeMutablePointer<Unmanaged<Wait>?>? {
        if isClosed { return nil }
        precondition(
            Self.isFree(storage.pointee.read.waiter) && observer == nil,
            "two coroutines wait to read from one descriptor"
        )
        if !storage.pointee.read.isArmed {
            storage.pointee.read.isArmed = true
            if let registration { registration.join() } else { ev_io_start(loop, Self.readWatcher(storage)) }
            storage.pointee.read.isCounted = true
        } else if !storage.pointee.read.isCounted {
            storage.pointee.read.isCounted = true
            ev_ref(loop)
        }
        storage.pointee.read.deadline = deadline.seconds
        if deadline.seconds < storage.pointee.timerIsDueAt { startTimer(at: deadline.seconds) }
        return Self.field(storage, \.read.waiter)
    }

    /// Has `observer` told when the descriptor can be read, `deadline` passes or `close` is called: the same as `readable`, without a
    /// coroutine that waits.
    ///
    /// The observer is not kept. While it is to be told, no coroutine may wait to read.
    package func observeReading(until deadline: Deadline, _ observer: any ReadinessObserver) {
        guard beginReading(until: deadline) != nil else { return observer.readinessEnded(.closed) }
        self.observer = observer
    }

    // By a waiter that was cancelled it may be called when another one waits already.
    @usableFromInline func endReading() {
        guard storage.pointee.read.waiter == nil else { return }
        storage.pointee.read.deadline = .infinity
        guard storage.pointee.read.isCounted else { return }
        storage.pointee.read.isCounted = false
        ev_unref(loop)
    }

    // One that was woken, and has not had its turn yet, waits no more.
    private static func isFree(_ waiter: Unmanaged<Wait>?) -> Bool {
        waiter?._withUnsafeGuaranteedRef { $0.isOver } ?? true
    }

    /// Has the loop watch for room; nil when this is closed.
    ///
    /// - Returns: where the wait is to be found.
    @usableFromInline func beginWriting(until deadline: Deadline) -> UnsafeMutablePointer<Unmanaged<Wait>?>? {
        if isClosed { return nil }
        precondition(Self.isFree(storage.pointee.write.waiter), "two coroutines wait to write to one descriptor")
        if !storage.pointee.write.isArmed {
            storage.pointee.write.isArmed = true
            ev_io_start(loop, Self.writeWatcher(storage))
        }
        storage.pointee.write.deadline = deadline.seconds
        if deadline.seconds < storage.pointee.timerIsDueAt { startTimer(at: deadline.seconds) }
        return Self.field(storage, \.write.waiter)
    }

    @usableFromInline func endWriting() {
        if storage.pointee.write.waiter == nil { storage.pointee.write.deadline = .infinity }
    }

    /// Takes the descriptor out of the loop's interest set until somebody waits for it again.
    ///
    /// For a listener that pauses: an armed one would be woken, and find nobody to accept.
    package func disarm() {
        stopReading()
        stopWriting()
    }

    /// Wakes who waits to read although there may be nothing to read: it has to look why.
    package func interruptReader() { wakeReader(.woken) }

    /// The same for who waits to write.
    package func interruptWriter() { wakeWriter(.woken) }

    /// Ends all waits, now and later, with `.closed`.
    ///
    /// Harmless when repeated.
    package func close() {
        isClosed = true
        disarm()
        registration?.end()
        if storage.pointee.timerIsDueAt < .infinity {
            ev_timer_stop(loop, Self.timer(storage))
            storage.pointee.timerIsDueAt = .infinity
        }
        wakeReader(.closed)
        wakeWriter(.closed)
    }

    private static var reading: Int32 { Int32(EV_READ) }
    private static var writing: Int32 { Int32(EV_WRITE) }

    private static func of(_ data: UnsafeMutableRawPointer?) -> Unmanaged<Readiness> {
        // Set in `init`, and the watchers are stopped before the object goes.
        Unmanaged<Readiness>.fromOpaque(data.unsafelyUnwrapped)
    }

    private static func readWatcher(_ storage: UnsafeMutablePointer<Storage>) -> UnsafeMutablePointer<ev_io> {
        field(storage, \.read.watcher)
    }

    private static func writeWatcher(_ storage: UnsafeMutablePointer<Storage>) -> UnsafeMutablePointer<ev_io> {
        field(storage, \.write.watcher)
    }

    private static func timer(_ storage: UnsafeMutablePointer<Storage>) -> UnsafeMutablePointer<ev_timer> {
        field(storage, \.timer)
    }

    @inline(__always)
    private static func field<Field>(
        _ storage: UnsafeMutablePointer<Storage>,
        _ path: KeyPath<Storage, Field>
    ) -> UnsafeMutablePointer<Field> {
        let offset = MemoryLayout<Storage>.offset(of: path).unsafelyUnwrapped
        return (UnsafeMutableRawPointer(storage) + offset).assumingMemoryBound(to: Field.self)
    }

    // Nobody counts this object while it is called, because that would be a twentieth of a request.
    private func becameReadable() {
        if wakeReader(.woken) { return }
        if storage.pointee.read.isArmed { stopReading() } else { registration?.leaveAgain() }
    }

    private func becameWritable() {
        // Unlike reading, being writable is the usual state: an armed watcher would fire every turn.
        stopWriting()
        wakeWriter(.woken)
    }

    // False when nobody waits.
    @discardableResult
    private func wakeReader(_ outcome: Wait.Outcome) -> Bool {
        let waiter = storage.pointee.read.waiter
        waiter?.takeUnretainedValue().wake(outcome)
        guard let observer else { return waiter != nil }
        self.observer = nil
        endReading()
        observer.readinessEnded(outcome)
        // The observer may have let go of this object by now: nothing of it may be touched from here on.
        return true
    }

    private func wakeWriter(_ outcome: Wait.Outcome) {
        storage.pointee.write.waiter?.takeUnretainedValue().wake(outcome)
    }

    private func stopReading() {
        guard storage.pointee.read.isArmed else { return }
        storage.pointee.read.isArmed = false
        if !storage.pointee.read.isCounted { ev_ref(loop) }
        storage.pointee.read.isCounted = false
        if let registration { registration.leave() } else { ev_io_stop(loop, Self.readWatcher(storage)) }
    }

    private func stopWriting() {
        guard storage.pointee.write.isArmed else { return }
        storage.pointee.write.isArmed = false
        ev_io_stop(loop, Self.writeWatcher(storage))
    }

    // One timer serves both directions and is not touched by a wait that ends in time: it is set to the earliest deadline
    // it has heard of, and looks when it fires which deadlines are still meant.
    private func startTimer(at seconds: Double) {
        let timer = Self.timer(storage)
        ev_timer_stop(loop, timer)
        storage.pointee.timerIsDueAt = seconds
        timer.pointee.at = EventLoop.untilDue(Deadline(seconds: seconds))
        ev_timer_start(loop, timer)
    }

    private func deadlinePassed() {
        let now = EventLoop.monotonicSeconds()
        storage.pointee.timerIsDueAt = .infinity
        if storage.pointee.read.deadline <= now { wakeReader(.timedOut) }
        if storage.pointee.write.deadline <= now { wakeWriter(.timedOut) }
        let next = min(storage.pointee.read.deadline, storage.pointee.write.deadline)
        if next < .infinity { startTimer(at: next) }
    }
}
