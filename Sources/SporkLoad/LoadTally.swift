// What a load process counts. How it is handed to the parent is in LoadTally+Encoding.swift. Tallies add up without loss: the
// histograms of all processes have the same geometry.
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

    /// What one of several URLs has got.
    public struct URLCount: Equatable {
        /// Answers, of any kind.
        public var answers = 0
        /// Failures, answers with a bad status, and those that are not what was expected.
        public var errors = 0
    }

    /// Answers, of any status.
    public var responses = 0
    /// Those that had arrived when the run's time was over; the others were only waited for.
    public var responsesInTime = 0
    /// Bytes read, heads included.
    public var bytesRead = 0
    /// Answers with a status of 400 or higher, or below 200.
    public var unsuccessful = 0
    /// Answers that are not what was expected.
    public var mismatched = 0
    /// Requests that were sent, or tried to be.
    public var sent = 0
    /// Requests that were due, in an open loop.
    public var scheduled = 0
    /// Those of them that were still waiting for a connection when the time was over.
    public var unsent = 0
    /// Requests that were out when somebody ended the run.
    public var unanswered = 0
    /// Requests that failed because there was no connection to send them on.
    public var failedUnsent = 0
    /// Connections that had at least one answer.
    public var servedConnections = 0
    /// Connections that the server closed while nothing was out on them, and that were made again.
    public var idleCloses = 0
    /// Time that connections took to be made, all together, in nanoseconds.
    public var connecting = 0
    /// Processor time before anything was counted, in microseconds, in user code and in the kernel.
    public var uncountedUser = 0
    /// The kernel's part.
    public var uncountedSystem = 0
    /// Time that was spent looking at the clock, so that a request is sent in time, in nanoseconds.
    public var spun = 0
    /// How long the process that took longest was at it, in nanoseconds.
    public var elapsed = 0
    /// Of the process that was busiest: the time in which it ran or was ready to run, in nanoseconds.
    public var demand = 0
    /// Failures by kind.
    public var failures = [Int](repeating: 0, count: Failure.allCases.count)
    /// Answers by the first digit of their status.
    public var statusClasses = SIMD8<Int>()
    /// By URL, where there are several.
    public var urls: [URLCount] = []
    /// Failures by phase and reason.
    public var incidents = LoadIncidents()
    /// The first answer of each process that was not what was expected.
    public var mismatches: [LoadMismatch] = []
    /// What the ledger says, where one is kept.
    var ledger = LoadLedger.Totals()
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
    static let sums: [WritableKeyPath<LoadTally, Int>] = [
        \.responses, \.responsesInTime, \.bytesRead, \.unsuccessful, \.mismatched, \.servedConnections, \.idleCloses,
        \.connecting, \.sent, \.scheduled, \.unsent, \.unanswered, \.failedUnsent, \.uncountedUser, \.uncountedSystem,
        \.spun,
    ]
    static let maxima: [WritableKeyPath<LoadTally, Int>] = [\.elapsed, \.demand]
    static let histograms: [WritableKeyPath<LoadTally, Histogram<UInt64>>] = [\.latencies, \.services, \.lags]

    /// Failures of all kinds.
    public var failureCount: Int { failures.reduce(0, +) }

    /// Everything that went wrong: failures, answers with a bad status, and those that are not what was expected.
    public var errorCount: Int { failureCount + unsuccessful + mismatched }

    /// Whether nothing was dropped: every request that was sent was answered, has failed, or was out at the end; and every one that was
    /// due was sent, is said to be unsent, or had no connection to go on.
    public var isBalanced: Bool {
        sent == responses + failureCount - failedUnsent + unanswered
            && (scheduled == 0 || scheduled == sent + unsent + failedUnsent)
    }

    /// Failures of one kind.
    public func count(of failure: Failure) -> Int { failures[failure.rawValue] }

    mutating func count(_ failure: Failure, _ times: Int = 1) { failures[failure.rawValue] += times }

    /// Counts an answer that is not what was expected, and keeps the first.
    mutating func count(_ mismatch: LoadMismatch) {
        mismatched += 1
        // The first one is shown, or the first whose place is known.
        if mismatches.isEmpty { mismatches.append(mismatch) }
        if mismatches[0].offset < 0, mismatch.offset >= 0 { mismatches[0] = mismatch }
    }

    /// Adds another process's counts.
    public mutating func add(_ other: LoadTally) {
        for counter in Self.sums { self[keyPath: counter] += other[keyPath: counter] }
        for counter in Self.maxima { self[keyPath: counter] = max(self[keyPath: counter], other[keyPath: counter]) }
        for index in failures.indices { failures[index] += other.failures[index] }
        statusClasses &+= other.statusClasses
        if urls.isEmpty { urls = other.urls } else { addURLs(of: other) }
        incidents.add(other.incidents)
        mismatches += other.mismatches
        ledger.add(other.ledger)
        for histogram in Self.histograms { self[keyPath: histogram].add(other[keyPath: histogram]) }
    }

    private mutating func addURLs(of other: LoadTally) {
        for (index, count) in other.urls.enumerated() {
            urls[index].answers += count.answers
            urls[index].errors += count.errors
        }
    }
}
