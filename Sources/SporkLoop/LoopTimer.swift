// A timer that calls a function: what sleeps and time limits are made of. It costs no task and is really gone when it
// is cancelled. Touched only on the loop's thread; see Readiness for why it is not on the main actor.
import CLibev

/// A timer on the loop, stopped when the object goes.
public nonisolated final class LoopTimer {
    private let loop: OpaquePointer
    private let timer: UnsafeMutablePointer<ev_timer>
    private let action: () -> Void

    /// A timer that calls `action` once when it has been started and its time has come.
    ///
    /// `action` runs inside the loop's turn, before the coroutines of that turn: it marks, resumes and counts, no more.
    public init(action: @escaping () -> Void) {
        loop = EventLoop.libev
        self.action = action
        timer = .allocate(capacity: 1)
        timer.initialize(to: ev_timer())
        let fired: @convention(c) (OpaquePointer?, UnsafeMutablePointer<ev_timer>?, Int32) -> Void = { _, timer, _ in
            Unmanaged<LoopTimer>.fromOpaque((timer?.pointee.data).unsafelyUnwrapped).takeUnretainedValue().action()
        }
        spork_timer_init(timer, fired, 0)
        timer.pointee.data = Unmanaged.passUnretained(self).toOpaque()
    }

    deinit {
        ev_timer_stop(loop, timer)
        timer.deinitialize(count: 1)
        timer.deallocate()
    }

    /// Starts the timer, or starts it anew.
    ///
    /// The clock is read afresh, so that it never fires early.
    public func start(after duration: Duration) { start(at: .fromNow(duration)) }

    /// The same for a time that is known; one that has passed is the next turn.
    package func start(at deadline: Deadline) {
        stop()
        timer.pointee.at = EventLoop.untilDue(deadline)
        ev_timer_start(loop, timer)
    }

    /// Stops the timer.
    ///
    /// It can be started again.
    public func stop() { ev_timer_stop(loop, timer) }
}
