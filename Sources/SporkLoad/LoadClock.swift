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

    /// The same, but for the last `spinning` nanoseconds the loop does not sleep: it looks at the clock and for input, again and again.
    ///
    /// A processor that sleeps takes tens of microseconds to wake up, more in a virtual machine; this costs the processor's time instead.
    func wait(until time: UInt64, spinning: UInt64, account: any LoadPacerAccount) async -> Bool {
        guard spinning > 0 else { return await wait(until: time) }
        guard await wait(until: time - min(time, spinning)) else { return false }
        var now = LoadClock.now
        if now >= time { return true }
        // A moment that has passed: the descriptor is readable, and stays so, which has each turn of the loop look for events and not
        // wait for them.
        guard spork_set_timer(descriptor, 1) == 0 else { return false }
        while now < time {
            let (before, work) = (now, account.workDone)
            guard await readiness.readable() == .woken else { return false }
            now = LoadClock.now
            if account.workDone == work { account.recordSpinning(now - before) }
        }
        return true
    }

    func close() {
        readiness.close()
        Glibc.close(descriptor)
    }
}
