// What /proc tells about a worker: for reports about one that hangs, and for its memory. The parsing is pure.

/// A look at another process.
package nonisolated struct ProcessReport: Equatable, Sendable {
    /// The letter of its state: R running, S sleeping, D waiting for a device, T stopped, Z ended.
    package var state: Character
    /// Seconds of processor time it has had, its own and the kernel's for it.
    package var processorSeconds: Double

    /// Whether somebody has stopped it, by a signal or a debugger.
    package var isStopped: Bool { state == "T" || state == "t" }

    /// Reads the text of /proc/PID/stat (proc_pid_stat(5)); nil when it is none.
    package init?(stat: String, ticksPerSecond: Double = 100) {
        // The name, in parentheses, may have any characters in it.
        guard let close = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: close)...].split(separator: " ")
        guard fields.count > 12, let state = fields[0].first, let user = Double(fields[11]),
            let system = Double(fields[12])
        else { return nil }
        (self.state, processorSeconds) = (state, (user + system) / ticksPerSecond)
    }

    /// Looks at a process; nil when it is gone.
    init?(of pid: Int32) {
        guard let stat = SystemFile.contents(of: "/proc/\(pid)/stat") else { return nil }
        self.init(stat: stat)
    }

    /// Where in the kernel a process waits; nil when it does not, or the system does not tell.
    static func waitsIn(_ pid: Int32) -> String? {
        guard let name = SystemFile.contents(of: "/proc/\(pid)/wchan"), !name.isEmpty, name != "0" else { return nil }
        return name
    }

    /// The memory that a process shares with nobody, in bytes.
    ///
    /// - Parameter floor: what is not interesting: a process that has less in all is not looked at closely, which is cheaper.
    static func privateMemory(of pid: Int32, above floor: UInt64) -> UInt64? {
        guard let statm = SystemFile.contents(of: "/proc/\(pid)/statm"), let most = residentBytes(statm: statm) else {
            return nil
        }
        if most < floor { return most }
        return SystemFile.contents(of: "/proc/\(pid)/smaps_rollup").flatMap { privateBytes(rollup: $0) } ?? most
    }

    /// The resident memory without files, from the text of /proc/PID/statm.
    package static func residentBytes(statm: String, pageSize: UInt64 = 4096) -> UInt64? {
        let fields = statm.split(separator: " ").compactMap { UInt64($0) }
        guard fields.count > 2, fields[1] >= fields[2] else { return nil }
        return (fields[1] - fields[2]) * pageSize
    }

    /// The private memory in the text of /proc/PID/smaps_rollup.
    package static func privateBytes(rollup: String) -> UInt64? {
        var (sum, found) = (UInt64(0), false)
        for line in rollup.split(separator: "\n") where line.hasPrefix("Private_") {
            let words = line.split(separator: " ")
            guard words.count >= 2, let kilobytes = UInt64(words[1]) else { continue }
            sum += kilobytes << 10
            found = true
        }
        return found ? sum : nil
    }
}
