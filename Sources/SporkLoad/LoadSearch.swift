// Runs the search for the highest rate that holds (RateSearch): a run of its own for each rate, and a line of the curve when it is
// over.
import CSporkShims
import Histogram
import SporkLoop

/// A search for the highest rate at which an objective is met.
public struct LoadSearch {
    /// A rate that was measured.
    public struct Row {
        /// Requests a second that were due.
        public var rate: Double
        /// The run's plan and its result.
        public var summary: LoadSummary
        /// Each clause with what was measured.
        public var findings: [LoadObjective.Finding]
        /// Whether the rate holds: every clause is met, all that was due was sent in time, no load process died, and nothing went wrong,
        /// unless a clause says how much may.
        public var holds: Bool
    }

    /// What came of it.
    public struct Result {
        /// The rates in the order in which they were measured.
        public var rows: [Row] = []
        /// How it ended; nil when a signal has ended it.
        public var outcome: RateSearch.Outcome?
    }

    /// The server that is watched at each rate; nil for none.
    public var server: Int32?

    private let objective: LoadObjective
    private let plan: LoadPlan
    private var search: RateSearch
    private let shape: ArrivalSchedule.Shape

    /// Prepares a search; `plan` says how long each rate is measured.
    public init(_ objective: LoadObjective, _ plan: LoadPlan, shape: ArrivalSchedule.Shape, from search: RateSearch) {
        (self.objective, self.plan, self.shape, self.search) = (objective, plan, shape, search)
    }

    /// Measures one rate after the other and hands `report` the curve line by line.
    ///
    /// - Throws: `SystemError` when processes cannot be made.
    public mutating func run(showsProgress: Bool, report: (String) -> Void) throws -> Result {
        defer { spork_unblock_signals() }
        var result = Result()
        report(Self.heading)
        var action = search.first
        while case .measure(let rate) = action {
            let row = try measure(rate, showsProgress: showsProgress)
            report(Self.line(of: row))
            result.rows.append(row)
            if row.summary.result.isInterrupted { return result }
            // What holds although the generator was late holds.
            action = search.on(row.holds ? .held : Self.isGeneratorBound(row) ? .generatorBound : .missed)
        }
        if case .finish(let outcome) = action { result.outcome = outcome }
        return result
    }

    private func measure(_ rate: Double, showsProgress: Bool) throws -> Row {
        var plan = plan
        let length = UInt64(plan.duration.seconds * 1e9)
        plan.schedule = ArrivalSchedule(rate: rate, shape: shape, duration: length)
        var run = LoadRun(plan, showsProgress: showsProgress)
        run.leavesSignalsBlocked = true
        run.observer = server.map { RunObserver(server: ServerWatch(pid: $0), wantsTimeline: false) }
        let summary = LoadSummary(plan, try run.run())
        let findings = objective.findings(in: summary.result, requestsPerSecond: summary.requestsPerSecond)
        let holds = Self.holds(summary.result, findings)
        return Row(rate: rate, summary: summary, findings: findings, holds: holds)
    }

    /// Whether a run says that its rate holds.
    static func holds(_ result: LoadRun.Result, _ findings: [LoadObjective.Finding]) -> Bool {
        let tally = result.tally
        let isSent = Double(tally.sent) >= Double(tally.scheduled) * LoadVerdict.leastLoad
        // Errors are often the fastest answers: nobody wants a rate at which there are only those.
        let isRight = tally.errorCount == 0 || findings.contains { $0.clause.isAboutErrors }
        return isSent && isRight && result.lostProcesses == 0 && findings.allSatisfy(\.isMet)
    }

    // Less strict than the verdict: a single delay on a busy machine shall not end the search, which measures on. Only a generator
    // that has nothing left, or whose lag is most of what was measured, makes it pointless.
    private static func isGeneratorBound(_ row: Row) -> Bool {
        let evidence = row.summary.evidence
        return evidence.demand > LoadVerdict.mostDemand
            || (evidence.lag > LoadVerdict.leastLag && evidence.lag > evidence.latency / 2)
    }

    private static let columns = [
        ("rate", 10), ("answered/s", 11), ("p50", 10), ("p99", 10), ("max", 10), ("errors", 7), ("lag p99", 10),
        ("", 7),
    ]

    private static var heading: String { columns.map { LoadText.right($0.0, $0.1) }.joined(separator: " ") + "\n" }

    private static func line(of row: Row) -> String {
        let tally = row.summary.result.tally
        func percentile(_ histogram: Histogram<UInt64>, _ percentile: Double) -> String {
            histogram.totalCount > 0
                ? LoadText.time(nanoseconds: Double(histogram.valueAtPercentile(percentile))) : "-"
        }
        let word = row.summary.result.isInterrupted ? "stopped" : row.holds ? "holds" : "missed"
        let values = [
            LoadText.fixed(row.rate, 0), LoadText.fixed(row.summary.requestsPerSecond, 0),
            percentile(tally.latencies, 50), percentile(tally.latencies, 99), percentile(tally.latencies, 100),
            "\(tally.errorCount)", percentile(tally.lags, 99), word,
        ]
        return zip(values, columns).map { LoadText.right($0, $1.1) }.joined(separator: " ") + "\n"
    }

    /// What is printed at the end.
    public static func text(of result: Result) -> String {
        guard let outcome = result.outcome else { return "Interrupted: this is what there was until then\n" }
        return outcome.text + "\n"
    }

    /// The whole search as one object; each row is the object of its run.
    public static func json(of result: Result) -> JSONValue {
        let rows = result.rows.map { row -> JSONValue in
            let members: [JSONValue.Member] = [
                .init("holds", .boolean(row.holds)), .init("clauses", .array(row.findings.map(\.json))),
            ]
            return .object(members + row.summary.members)
        }
        return [
            "interrupted": .boolean(result.outcome == nil),
            "highest_rate": result.outcome?.rate.map { .number($0) } ?? .null,
            "outcome": result.outcome.map { .string($0.text) } ?? .null, "rows": .array(rows),
        ]
    }
}

extension RateSearch.Outcome {
    /// The rate that was found; nil when none was.
    public var rate: Double? {
        switch self {
        case .found(let rate), .limit(let rate): rate
        case .nothingHolds: nil
        case .generatorBound(let rate), .windowsExhausted(let rate): rate
        }
    }

    /// Whether it is an answer to what was asked.
    public var isFound: Bool {
        switch self {
        case .found, .limit: true
        case .nothingHolds, .generatorBound, .windowsExhausted: false
        }
    }

    /// A sentence.
    public var text: String {
        func text(_ rate: Double?) -> String {
            rate.map { "\(LoadText.fixed($0, 0)) requests/s held before" } ?? "no rate held before"
        }
        return switch self {
        case .found(let rate): "Highest rate that holds: \(LoadText.fixed(rate, 0)) requests/s, measured twice"
        case .limit(let rate): "Highest rate that holds: \(LoadText.fixed(rate, 0)) requests/s; none higher was tried"
        case .nothingHolds: "No rate holds, not even \(LoadText.fixed(RateSearch.lowest, 0)) a second"
        case .generatorBound(let rate): "The generator became the limit; \(text(rate))"
        case .windowsExhausted(let rate): "Too many windows and no agreement; \(text(rate))"
        }
    }
}
