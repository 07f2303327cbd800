// How far each load process is, in memory that they share with the parent: one row a process, written by its owner only.
// Read for the live line while the run goes on; results travel by pipe. Torn or late reads would only blur that line.
import CSporkShims
import Glibc
import Histogram

/// Shared counters, one row a process.
struct LoadProgress {
    /// What all processes have counted so far.
    struct Total {
        var responses = 0
        var failures = 0
        var latencies = LivePercentiles()
    }

    // A row: whether it counts, answers, failures, the moment at which these were so; then from the second cache line on, latencies in coarse buckets. Whole cache lines, so
    // that owners do not slow one another down.
    private static let firstBucket = 64
    private static let rowSize = firstBucket + (LivePercentiles.buckets * MemoryLayout<UInt32>.size + 63) / 64 * 64

    private let memory: UnsafeMutableRawPointer
    private let rows: Int
    private let begun: (in: Int32, out: Int32)
    /// Whether somebody looks at the latencies, which cost something to bring here.
    let isWatched: Bool

    /// Maps rows for `processes`; nil when the system refuses.
    init?(processes: Int, isWatched: Bool) {
        rows = processes
        self.isWatched = isWatched
        let size = processes * Self.rowSize
        guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
            memory != MAP_FAILED
        else { return nil }
        var ends: [Int32] = [-1, -1]
        let failure = -spork_pipe(&ends)
        guard failure == 0 else {
            munmap(memory, size)
            errno = failure
            return nil
        }
        self.memory = memory
        begun = (ends[0], ends[1])
    }

    private func start(of row: Int) -> UnsafeMutableRawPointer { memory + row * Self.rowSize }

    /// The calling process counts from now on.
    func begin(row: Int) {
        // What came while it warmed up does not count.
        update(row: row, responses: 0, failures: 0)
        start(of: row).storeBytes(of: 1, as: Int.self)
        // Whoever waits for all of them hears of it at once.
        _ = write(begun.out, "1", 1)
    }

    /// The calling process's row.
    func update(row: Int, responses: Int, failures: Int) {
        start(of: row).storeBytes(of: responses, toByteOffset: 8, as: Int.self)
        start(of: row).storeBytes(of: failures, toByteOffset: 16, as: Int.self)
        start(of: row).storeBytes(of: LoadClock.now, toByteOffset: 24, as: UInt64.self)
    }

    /// The calling process's latencies so far.
    func update(row: Int, _ latencies: Histogram<UInt64>) {
        var coarse = LivePercentiles()
        for value in latencies.recordedValues() { coarse.record(value.value, count: value.count) }
        for (index, count) in coarse.counts.enumerated() {
            let place = Self.firstBucket + index * MemoryLayout<UInt32>.size
            start(of: row).storeBytes(of: UInt32(clamping: count), toByteOffset: place, as: UInt32.self)
        }
    }

    /// Whether all processes count.
    var isCounting: Bool { (0..<rows).allSatisfy { start(of: $0).load(as: Int.self) == 1 } }

    /// One process's answers, and the moment at which it had so many, on the generator's clock.
    func responses(row: Int) -> (count: Int, moment: UInt64) {
        let start = start(of: row)
        return (start.load(fromByteOffset: 8, as: Int.self), start.load(fromByteOffset: 24, as: UInt64.self))
    }

    /// All processes' counts so far.
    var total: Total {
        var total = Total()
        for row in 0..<rows {
            let start = start(of: row)
            total.responses += start.load(fromByteOffset: 8, as: Int.self)
            total.failures += start.load(fromByteOffset: 16, as: Int.self)
            for index in 0..<LivePercentiles.buckets {
                let place = Self.firstBucket + index * MemoryLayout<UInt32>.size
                total.latencies.counts[index] += UInt64(start.load(fromByteOffset: place, as: UInt32.self))
            }
        }
        return total
    }

    /// Becomes readable whenever a process begins to count.
    var begins: Int32 { begun.in }

    /// Takes what has made it readable.
    func takeBegins() {
        var bytes = [UInt8](repeating: 0, count: 1024)
        _ = read(begun.in, &bytes, bytes.count)
    }

    func unmap() {
        munmap(memory, rows * Self.rowSize)
        close(begun.in)
        close(begun.out)
    }
}

/// Latencies in buckets that are coarse enough to be looked at several times a second.
///
/// Eight for each doubling, so that a percentile is off by a tenth at most. Pure.
struct LivePercentiles: Equatable {
    static let buckets = 48 * 8

    var counts = [UInt64](repeating: 0, count: buckets)

    static func bucket(of nanoseconds: UInt64) -> Int {
        guard nanoseconds >= 8 else { return Int(nanoseconds) }
        let shift = 63 - nanoseconds.leadingZeroBitCount - 3
        return min(buckets - 1, (shift + 1) * 8 + Int(nanoseconds >> UInt64(shift)) - 8)
    }

    /// The middle of a bucket.
    static func value(of bucket: Int) -> Double {
        guard bucket >= 8 else { return Double(bucket) }
        let shift = bucket / 8 - 1
        return (Double(bucket % 8 + 8) + 0.5) * Double(UInt64(1) << UInt64(shift))
    }

    mutating func record(_ nanoseconds: UInt64, count: UInt64) { counts[Self.bucket(of: nanoseconds)] += count }

    /// Nil where nothing was counted.
    func percentile(_ percentile: Double) -> Double? {
        let total = counts.reduce(0, +)
        guard total > 0 else { return nil }
        var rest = max(1, (Double(total) * percentile / 100).rounded(.up))
        for (bucket, count) in counts.enumerated() {
            rest -= Double(count)
            if rest <= 0 { return Self.value(of: bucket) }
        }
        return nil
    }
}
