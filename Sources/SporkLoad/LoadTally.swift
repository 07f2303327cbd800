// What a load process counts, and how it is handed to the parent: as numbers over a pipe. Tallies add up without loss:
// the histograms of all processes have the same geometry.
import Histogram

/// Counts of a run, of one process or of all.
public struct LoadTally {
    /// Kinds of failure, in the order in which they are reported.
    public enum Failure: Int, CaseIterable {
        /// The connection could not be made.
        case connect
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
    /// Failures by kind.
    public var failures = [Int](repeating: 0, count: Failure.allCases.count)
    /// Latencies in nanoseconds: from the start of sending a request to the last byte of its answer.
    public var latencies = LoadTally.emptyHistogram

    /// The same for every tally, so that they can be added: 1 ns to an hour, three significant digits.
    static var emptyHistogram: Histogram<UInt64> {
        Histogram<UInt64>(highestTrackableValue: 3_600_000_000_000, numberOfSignificantValueDigits: .three)
    }

    /// Nothing counted yet.
    public init() {}

    /// Failures of all kinds.
    public var failureCount: Int { failures.reduce(0, +) }

    /// Failures of one kind.
    public func count(of failure: Failure) -> Int { failures[failure.rawValue] }

    mutating func count(_ failure: Failure) { failures[failure.rawValue] += 1 }

    /// Adds another process's counts.
    public mutating func add(_ other: LoadTally) {
        responses += other.responses
        responsesInTime += other.responsesInTime
        bytesRead += other.bytesRead
        unsuccessful += other.unsuccessful
        for index in failures.indices { failures[index] += other.failures[index] }
        latencies.add(other.latencies)
    }

    /// All of it as numbers: the counters, then pairs of a latency and how often it was seen.
    var encoded: [UInt64] {
        var numbers = [responses, responsesInTime, bytesRead, unsuccessful].map(UInt64.init)
        numbers += failures.map(UInt64.init)
        for value in latencies.recordedValues() { numbers += [value.value, value.count] }
        return numbers
    }

    /// Reads what `encoded` wrote.
    ///
    /// Nil when it is incomplete, because the process died.
    init?(encoded numbers: [UInt64]) {
        let counters = 4 + Failure.allCases.count
        guard numbers.count >= counters, (numbers.count - counters).isMultiple(of: 2) else { return nil }
        responses = Int(numbers[0])
        responsesInTime = Int(numbers[1])
        bytesRead = Int(numbers[2])
        unsuccessful = Int(numbers[3])
        failures = numbers[4..<counters].map(Int.init)
        for index in stride(from: counters, to: numbers.count, by: 2) {
            latencies.record(numbers[index], count: numbers[index + 1])
        }
    }
}
