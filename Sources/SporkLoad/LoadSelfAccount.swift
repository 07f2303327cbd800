// What a load process knows about itself: how much of the time it wanted to run, and how late its loop is. Both go into the verdict:
// a generator that is the limit measures itself.
import CSporkShims
import Glibc
import SporkLoop
import SporkTasks

/// What the scheduler says about a process's one thread (/proc/PID/schedstat, proc(5)).
nonisolated struct SchedulerTimes: Equatable {
    /// Nanoseconds on a processor.
    var running: UInt64
    /// Nanoseconds in which it was ready to run and had to wait for a processor.
    var waiting: UInt64

    /// Reads the text of such a file.
    init?(text: String) {
        let fields = text.split { $0 == " " || $0 == "\n" }.compactMap { UInt64($0) }
        guard fields.count >= 2 else { return nil }
        (running, waiting) = (fields[0], fields[1])
    }

    /// This process's; where the kernel does not say how long it waited, only what it used.
    static var own: SchedulerTimes {
        if let text = readSmallFile("/proc/self/schedstat"), let times = SchedulerTimes(text: text) { return times }
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return SchedulerTimes(running: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec), waiting: 0)
    }

    private init(running: UInt64, waiting: UInt64) { (self.running, self.waiting) = (running, waiting) }
}

/// The text of a file of /proc; nil when it cannot be read.
nonisolated func readSmallFile(_ path: String) -> String? {
    let descriptor = spork_open_read(path)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = read(descriptor, &chunk, chunk.count)
        guard count > 0 else { return count == 0 ? String(decoding: bytes, as: UTF8.self) : nil }
        bytes += chunk[..<count]
    }
}

/// Measures how late the loop is: a coroutine that wants to run at certain moments, and looks when it does.
enum LagProbe {
    /// Two milliseconds: five hundred samples a second cost a thousandth of a processor.
    static let interval: UInt64 = 2_000_000

    /// Hands `record` the lateness in nanoseconds of each moment, until the coroutine is cancelled.
    static func run(_ record: (UInt64) -> Void) async throws {
        let timer = try LoadTimer()
        defer { timer.close() }
        var due = LoadClock.now + interval
        while await timer.wait(until: due) {
            let late = LoadClock.now - due
            record(late)
            // Moments that were slept through have been as late as this one, less what lay between.
            due += interval
            var missed = late
            while missed >= interval {
                missed -= interval
                record(missed)
                due += interval
            }
        }
    }
}
