// The generator's clock, and a timer on it: nanoseconds of CLOCK_MONOTONIC, which never jumps. libev's timers are as coarse as a
// millisecond; a descriptor that the kernel makes readable at the right moment is not. A timer is waited on by one coroutine.
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

    func close() {
        readiness.close()
        Glibc.close(descriptor)
    }
}
