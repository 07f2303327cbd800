// Latencies in few buckets: 32 to each power of two, so that a value is off by 1.6 % at most. For rows of one second, which processes
// hand to the parent through shared memory; whole results have exact histograms. Pure.
import Histogram

/// Counts of latencies in nanoseconds.
struct CoarseLatencies: Equatable {
    /// Buckets; the last one takes everything from two hours on.
    nonisolated static let size = 1280

    var counts = [UInt64](repeating: 0, count: CoarseLatencies.size)

    /// The bucket of a latency.
    static func index(of nanoseconds: UInt64) -> Int {
        if nanoseconds < 64 { return Int(nanoseconds) }
        let shift = 58 - nanoseconds.leadingZeroBitCount
        return min(shift * 32 + Int(nanoseconds >> UInt64(shift)), size - 1)
    }

    /// The middle of a bucket.
    static func middle(of index: Int) -> Double {
        if index < 64 { return Double(index) }
        let shift = index / 32 - 1
        return (Double(index - shift * 32) + 0.5) * Double(UInt64(1) << UInt64(shift))
    }

    init() {}

    /// The same latencies, less exactly.
    init(_ histogram: Histogram<UInt64>) {
        for value in histogram.recordedValues() { counts[Self.index(of: value.value)] += value.count }
    }

    /// How many there are.
    var total: UInt64 { counts.reduce(0, +) }

    mutating func add(_ other: CoarseLatencies) {
        for index in counts.indices { counts[index] += other.counts[index] }
    }

    /// What has come since `earlier`; everything, when it was begun anew since.
    func since(_ earlier: CoarseLatencies) -> CoarseLatencies {
        guard zip(counts, earlier.counts).allSatisfy({ $0 >= $1 }) else { return self }
        var difference = self
        for index in counts.indices { difference.counts[index] -= earlier.counts[index] }
        return difference
    }

    /// A percentile in nanoseconds; nil without latencies.
    func percentile(_ percentile: Double) -> Double? {
        let total = self.total
        guard total > 0 else { return nil }
        let rank = UInt64((Double(total) * percentile / 100).rounded(.up))
        var sum: UInt64 = 0
        for (index, count) in counts.enumerated() {
            sum += count
            if sum >= max(1, rank) { return Self.middle(of: index) }
        }
        return nil
    }
}
