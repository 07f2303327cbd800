// How a run went, second by second: each load process writes what it has counted so far into memory that it shares with the parent,
// once a second, and the parent makes a row when all have. A process has two places and writes them in turn, the number of the second
// last; so the parent, which looks ten times a second, never reads what is being written.
import CSporkShims
import Glibc

/// What one second of a run was like.
public struct TimelineRow: Equatable {
    /// When it ended, in seconds from the run's start; the last one may be shorter than a second.
    public var time = 0.0
    /// Answers.
    public var requests = 0
    /// Failures, and answers with a bad status.
    public var errors = 0
    /// Bytes read.
    public var bytes = 0
    /// The median of the latencies in nanoseconds, as exact as 2 %; nil without any.
    public var median: Double?
    /// Their 99th percentile.
    public var percentile99: Double?
    /// Processor time of the server, in seconds; nil when it is not watched.
    public var serverProcessorTime: Double?
    /// Its memory at the end, in bytes, shared pages counted by shares.
    public var serverMemory: Int?
}

/// Memory through which load processes tell how far they are.
final class LoadTimeline {
    private nonisolated static let head = 64
    private nonisolated static let place = (4 + CoarseLatencies.size) * 8
    private nonisolated static let stride = head + 2 * place

    nonisolated(unsafe) private let memory: UnsafeMutableRawPointer
    private let processes: Int

    /// What a process had counted at the end of one of its seconds.
    struct Count: Equatable {
        var nanoseconds = 0
        var requests = 0
        var errors = 0
        var bytes = 0
        var latencies = CoarseLatencies()

        mutating func add(_ other: Count) {
            nanoseconds = max(nanoseconds, other.nanoseconds)
            requests += other.requests
            errors += other.errors
            bytes += other.bytes
            latencies.add(other.latencies)
        }
    }

    /// Nil when the system refuses.
    init?(processes: Int) {
        self.processes = processes
        guard
            let memory = mmap(
                nil,
                processes * Self.stride,
                PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS,
                -1,
                0
            ), memory != MAP_FAILED
        else { return nil }
        self.memory = memory
    }

    deinit { munmap(memory, processes * Self.stride) }

    private func number(of process: Int) -> UnsafeMutablePointer<UInt64> {
        (memory + process * Self.stride).assumingMemoryBound(to: UInt64.self)
    }

    private func place(of process: Int, _ second: Int) -> UnsafeMutablePointer<UInt64> {
        (memory + process * Self.stride + Self.head + second % 2 * Self.place).assumingMemoryBound(to: UInt64.self)
    }

    /// How many seconds a process has written.
    func seconds(of process: Int) -> Int { Int(spork_load(number(of: process))) }

    /// Writes the calling process's next second.
    func write(_ count: Count, process: Int) {
        let second = seconds(of: process)
        let place = place(of: process, second)
        for (index, value) in [count.nanoseconds, count.requests, count.errors, count.bytes].enumerated() {
            place[index] = UInt64(value)
        }
        for (index, value) in count.latencies.counts.enumerated() { place[4 + index] = value }
        spork_store(number(of: process), UInt64(second + 1))
    }

    /// What a process had counted at the end of one of its last two seconds.
    func count(of process: Int, second: Int) -> Count {
        let place = place(of: process, second)
        var count = Count()
        (count.nanoseconds, count.requests) = (Int(place[0]), Int(place[1]))
        (count.errors, count.bytes) = (Int(place[2]), Int(place[3]))
        for index in count.latencies.counts.indices { count.latencies.counts[index] = place[4 + index] }
        return count
    }

    /// All processes together: what each has written of that second, or of its last one; nil while one is not that far.
    ///
    /// - Parameter isOver: no process will write any more.
    func total(second: Int, isOver: Bool) -> Count? {
        var total = Count()
        for process in 0..<processes {
            let written = seconds(of: process)
            guard written > second || isOver else { return nil }
            if written > 0 { total.add(count(of: process, second: min(second, written - 1))) }
        }
        return total
    }

    /// How many seconds the process that is farthest has written.
    var seconds: Int { (0..<processes).map(seconds(of:)).max() ?? 0 }
}

/// Turns growing counts into rows.
struct TimelineRows {
    private(set) var rows: [TimelineRow] = []
    private var last = LoadTimeline.Count()

    mutating func add(_ count: LoadTimeline.Count, _ server: (processorTime: Double?, memory: Int?)) {
        var row = TimelineRow()
        row.time = Double(count.nanoseconds) * 1e-9
        // A second that was begun anew, after a warm-up, has only what came since.
        let isAnew = count.requests < last.requests
        row.requests = isAnew ? count.requests : count.requests - last.requests
        row.errors = max(0, count.errors - (isAnew ? 0 : last.errors))
        row.bytes = max(0, count.bytes - (isAnew ? 0 : last.bytes))
        let latencies = count.latencies.since(last.latencies)
        (row.median, row.percentile99) = (latencies.percentile(50), latencies.percentile(99))
        (row.serverProcessorTime, row.serverMemory) = server
        last = count
        rows.append(row)
    }
}
