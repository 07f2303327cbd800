// The generator's clock, and a timer on it: nanoseconds of CLOCK_MONOTONIC, which never jumps. libev's timers are as coarse as a
// millisecond; a descriptor that the kernel makes readable at the right moment is not. A timer is waited on by one coroutine, or
// observed by one object.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet

/// The monotonic clock in nanoseconds.
enum LoadClock {
    nonisolated static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}

/// A timer that one coroutine waits on, exact to microseconds.
final class LoadTimer {
    private let descriptor: Int32
    private let readiness: Readiness

    init() throws(SystemError) {
        descriptor = spork_timer_descriptor()
        guard descriptor >= 0 else { throw SystemError("timerfd", number: -descriptor) }
        readiness = Readiness(descriptor: descriptor)
    }

    /// Suspends until the clock shows `time`.
    ///
    /// False when the coroutine was cancelled or the timer closed meanwhile.
    func wait(until time: UInt64) async -> Bool {
        while LoadClock.now < time {
            guard spork_set_timer(descriptor, time) == 0 else { return false }
            guard await readiness.readable() == .woken else { return false }
        }
        return true
    }

    /// Has `observer` told when the clock shows `time`, which may have been set before: once, inside the loop's turn.
    ///
    /// A moment that has passed is told at the next turn, and until another is set at every turn that it is asked for: the loop does
    /// not sleep then.
    func observe(_ observer: any ReadinessObserver) { readiness.observeReading(until: .never, observer) }

    /// Sets the moment to wait for.
    func set(_ time: UInt64) { _ = spork_set_timer(descriptor, max(time, 1)) }

    func close() {
        readiness.close()
        Glibc.close(descriptor)
    }
}
