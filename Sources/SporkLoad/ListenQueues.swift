// What the kernel dropped because a server did not accept fast enough. It counts for the whole machine, or network namespace, not for
// one socket: whatever else listens is in it.

/// Connections that found a full queue (TcpExt in /proc/net/netstat).
nonisolated struct ListenQueues: Equatable {
    /// Handshakes that were complete and found the queue full.
    var overflows: Int
    /// Connections dropped on their way in, for that and for other reasons.
    var drops: Int

    /// The counters now; nil where there are none.
    static var now: ListenQueues? { readSmallFile("/proc/net/netstat").flatMap { ListenQueues(text: $0) } }

    init(overflows: Int, drops: Int) { (self.overflows, self.drops) = (overflows, drops) }

    /// Reads the text of that file: a line of names, then one of numbers.
    init?(text: String) {
        let lines = text.split(separator: "\n").filter { $0.hasPrefix("TcpExt:") }.map { $0.split(separator: " ") }
        guard lines.count == 2, lines[0].count == lines[1].count,
            let overflows = lines[0].firstIndex(of: "ListenOverflows").flatMap({ Int(lines[1][$0]) }),
            let drops = lines[0].firstIndex(of: "ListenDrops").flatMap({ Int(lines[1][$0]) })
        else { return nil }
        self.init(overflows: overflows, drops: drops)
    }

    static func - (left: ListenQueues, right: ListenQueues) -> ListenQueues {
        ListenQueues(overflows: left.overflows - right.overflows, drops: left.drops - right.drops)
    }
}
