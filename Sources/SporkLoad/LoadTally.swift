// What a load process counts, and how it is handed to the parent: as numbers over a pipe. Tallies add up without loss:
// the histograms of all processes have the same geometry.
import Histogram

/// Counts of a run, of one process or of all.
public struct LoadTally {
    /// Kinds of failure, in the order in which they are reported.
    public enum Failure: Int, CaseIterable {
        /// The connection could not be made.
        case connect
        /// The connection could not be secured.
        case tls
        /// The connection broke, or ended early, while an answer was due.
        case read
        /// The request could not be sent.
        case write
        /// No complete answer within the time limit.
        case timeout
        /// An answer that is not HTTP.
        case malformed
    }

    /// Answers, of any status.
    public var responses = 0
    /// Those that had arrived when the run's time was over; the others were only waited for.
    public var responsesInTime = 0
    /// Bytes read, heads included.
    public var bytesRead = 0
    /// Answers with a status of 400 or higher, or below 200.
    public var unsuccessful = 0
    /// Requests that were sent, or tried to be.
    public var sent = 0
    /// Requests that were due, in an open loop.
    public var scheduled = 0
    /// Those of them that were still waiting for a connection when the time was over.
    public var unsent = 0
    /// Requests that were out when somebody ended the run.
    public var unanswered = 0
    /// Connections that had at least one answer.
    public var servedConnections = 0
    /// Time that connections took to be made, all together, in nanoseconds.
    public var connecting = 0
    /// How long the process that took longest was at it, in nanoseconds.
    public var elapsed = 0
    /// Of the process that was busiest: the time in which it ran or was ready to run, in nanoseconds.
    public var demand = 0
    /// Failures by kind.
    public var failures = [Int](repeating: 0, count: Failure.allCases.count)
    /// Latencies in nanoseconds, to the last byte of the answer: from the start of sending the request, in an open loop from the
    /// moment at which it was due.
    ///
    /// Requests that have timed out, that were not sent or not answered are in here with the time that they had taken by then.
    public var latencies = LoadTally.emptyHistogram
    /// Of an open loop: the time from the start of sending to the last byte, in nanoseconds.
    public var services = LoadTally.emptyHistogram
    /// How late the generator itself was, in nanoseconds.
    public var lags = LoadTally.emptyHistogram

    /// The same for every tally, so that they can be added: 1 ns to an hour, three significant digits.
    static var emptyHistogram: Histogram<UInt64> {
        Histogram<UInt64>(highestTrackableValue: 3_600_000_000_000, numberOfSignificantValueDigits: .three)
    }

    /// Nothing counted yet.
    public init() {}

    // Counters that add up; of the others the largest counts.
    private static let sums: [WritableKeyPath<LoadTally, Int>] = [
        \.responses, \.responsesInTime, \.bytesRead, \.unsuccessful, \.servedConnections, \.connecting, \.sent,
        \.scheduled, \.unsent, \.unanswered,
    ]
    private static let maxima: [WritableKeyPath<LoadTally, Int>] = [\.elapsed, \.demand]
    private static let histograms: [WritableKeyPath<LoadTally, Histogram<UInt64>>] = [
        \.latencies, \.services, \.lags,
    ]

    /// Failures of all kinds.
    public var failureCount: Int { failures.reduce(0, +) }

    /// Everything that went wrong: failures, and answers with a bad status.
    public var errorCount: Int { failureCount + unsuccessful }

    /// Failures of one kind.
    public func count(of failure: Failure) -> Int { failures[failure.rawValue] }

    mutating func count(_ failure: Failure, _ times: Int = 1) { failures[failure.rawValue] += times }

    /// Adds another process's counts.
    public mutating func add(_ other: LoadTally) {
        for counter in Self.sums { self[keyPath: counter] += other[keyPath: counter] }
        for counter in Self.maxima { self[keyPath: counter] = max(self[keyPath: counter], other[keyPath: counter]) }
        for index in failures.indices { failures[index] += other.failures[index] }
        for histogram in Self.histograms { self[keyPath: histogram].add(other[keyPath: histogram]) }
    }

    /// All of it as numbers: the counters, then of each histogram the number of its pairs of a value and how often it was seen, and
    /// the pairs.
    var encoded: [UInt64] {
        var numbers = (Self.sums + Self.maxima).map { UInt64(self[keyPath: $0]) } + failures.map(UInt64.init)
        for histogram in Self.histograms {
            let values = Array(self[keyPath: histogram].recordedValues())
            numbers.append(UInt64(values.count))
            for value in values { numbers += [value.value, value.count] }
        }
        return numbers
    }

    /// Reads what `encoded` wrote.
    ///
    /// Nil when it is incomplete, because the process died.
    init?(encoded numbers: [UInt64]) {
        let counters = Self.sums + Self.maxima
        guard numbers.count >= counters.count + failures.count else { return nil }
        for (counter, number) in zip(counters, numbers) { self[keyPath: counter] = Int(number) }
        var rest = numbers[counters.count...]
        for index in failures.indices { failures[index] = Int(rest.removeFirst()) }
        for histogram in Self.histograms {
            guard let pairs = rest.popFirst(), pairs <= rest.count / 2 else { return nil }
            for _ in 0..<pairs { self[keyPath: histogram].record(rest.removeFirst(), count: rest.removeFirst()) }
        }
        guard rest.isEmpty else { return nil }
    }
}
