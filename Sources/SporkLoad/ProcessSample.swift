// What /proc says about one process of the server under test, at one moment. Reading is here, and the parsing, which is pure;
// ServerAccount makes sums of it. Whatever the kernel does not tell is nil, never zero.
import CSporkShims
import Glibc

/// A process as it is at one moment (proc_pid_stat(5), proc_pid_status(5), proc_pid_smaps_rollup(5)).
nonisolated struct ProcessSample: Equatable {
    /// A process's number may be given to another one; with the moment of its start it is unique.
    struct Identity: Hashable {
        var pid: Int32
        var started: Int
    }

    var identity: Identity
    /// Ticks in its own code and in the kernel, threads that have ended included.
    var userTicks = 0
    var systemTicks = 0
    /// The same of its children that have ended and that it has waited for.
    var waitedUserTicks = 0
    var waitedSystemTicks = 0
    /// Nanoseconds on a processor of all its threads (/proc/PID/task/*/schedstat); nil where the kernel does not count them.
    var runNanoseconds: Int?
    /// Times that its threads gave up a processor, and were made to.
    var voluntarySwitches = 0
    var involuntarySwitches = 0
    /// Its memory in bytes, pages that processes share counted by shares; nil when this may not be read.
    var proportionalMemory: Int?
    /// The memory in bytes that it shares with nobody.
    var privateMemory: Int?
    /// Whether it has children.
    var isParent = false

    init(pid: Int32, started: Int) { identity = Identity(pid: pid, started: started) }

    /// Reads the text of /proc/PID/stat; nil when it is none.
    init?(pid: Int32, stat: String) {
        // The name, in parentheses, may have any characters in it.
        guard let close = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: close)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", let started = Int(fields[19]) else { return nil }
        let times = fields[11...14].compactMap { Int($0) }
        guard times.count == 4 else { return nil }
        self.init(pid: pid, started: started)
        (userTicks, systemTicks, waitedUserTicks, waitedSystemTicks) = (times[0], times[1], times[2], times[3])
    }

    /// Looks at a process and tells its children; nil when it is gone.
    static func read(_ pid: Int32) -> (sample: ProcessSample, children: [Int32])? {
        let directory = "/proc/\(pid)"
        guard let stat = readSmallFile("\(directory)/stat"), var sample = ProcessSample(pid: pid, stat: stat) else {
            return nil
        }
        var children: [Int32] = []
        var running: Int? = 0
        for thread in numbers(in: "\(directory)/task") {
            let path = "\(directory)/task/\(thread)"
            children += Self.children(readSmallFile("\(path)/children") ?? "")
            let times = readSmallFile("\(path)/schedstat").flatMap { SchedulerTimes(text: $0) }
            running = times.flatMap { times in running.map { $0 + Int(times.running) } }
            let switches = Self.fields(readSmallFile("\(path)/status") ?? "")
            sample.voluntarySwitches += switches["voluntary_ctxt_switches"] ?? 0
            sample.involuntarySwitches += switches["nonvoluntary_ctxt_switches"] ?? 0
        }
        sample.runNanoseconds = running == 0 ? nil : running
        sample.isParent = !children.isEmpty
        if let rollup = readSmallFile("\(directory)/smaps_rollup") { sample.take(rollup: rollup) }
        return (sample, children)
    }

    /// Takes the memory from the text of /proc/PID/smaps_rollup, whose numbers are kilobytes.
    mutating func take(rollup: String) {
        let fields = Self.fields(rollup)
        guard let shared = fields["Pss"], let clean = fields["Private_Clean"], let dirty = fields["Private_Dirty"]
        else {
            return
        }
        (proportionalMemory, privateMemory) = (shared << 10, (clean + dirty) << 10)
    }

    /// The numbers in a file of lines "Name: 12 kB".
    static func fields(_ text: String) -> [Substring: Int] {
        var fields: [Substring: Int] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split { $0 == ":" || $0 == " " || $0 == "\t" }
            if parts.count >= 2, let number = Int(parts[1]) { fields[parts[0]] = number }
        }
        return fields
    }

    /// The numbers in a file such as /proc/PID/task/TID/children.
    static func children(_ text: String) -> [Int32] { text.split(separator: " ").compactMap { Int32($0) } }

    /// The names in a directory that are numbers.
    static func numbers(in path: String) -> [Int32] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var numbers: [Int32] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let number = Int32(name) { numbers.append(number) }
        }
        return numbers
    }
}

/// A process and all its descendants at one moment.
nonisolated struct ServerSample: Equatable {
    var processes: [ProcessSample]
    /// When it was taken, in the ticks since the machine's start that processes' starts are told in.
    var moment: Int

    init(_ processes: [ProcessSample], at moment: Int = 0) { (self.processes, self.moment) = (processes, moment) }

    /// Looks at `root` and walks down from it; empty when it is gone.
    init(root: Int32) {
        var now = timespec()
        clock_gettime(CLOCK_BOOTTIME, &now)
        moment = now.tv_sec * (1_000_000_000 / ServerAccount.tick) + now.tv_nsec / ServerAccount.tick
        processes = []
        var waiting = [root]
        var seen: Set<Int32> = []
        while let pid = waiting.popLast() {
            guard seen.insert(pid).inserted, let (sample, children) = ProcessSample.read(pid) else { continue }
            processes.append(sample)
            waiting += children
        }
    }

    /// What all processes have; nil when it is not known of all of them.
    func sum(_ value: KeyPath<ProcessSample, Int?>) -> Int? {
        guard !processes.isEmpty else { return nil }
        return processes.reduce(0 as Int?) { sum, process in
            process[keyPath: value].flatMap { number in sum.map { $0 + number } }
        }
    }
}
