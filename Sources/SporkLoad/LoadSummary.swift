// The report that people know from wrk, made of a run's counts. Pure text. What wrk prints and Spork does not: latencies
// rewritten afterwards. What Spork adds: every kind of error, and what the generator itself has used.
import Histogram

/// The text of a run's result.
public struct LoadSummary {
    let plan: LoadPlan
    let result: LoadRun.Result
    let objective: LoadObjective?

    /// A summary of `result`, which came of `plan`.
    ///
    /// - Parameter objective: what the result is measured against, unless a signal has ended the run.
    public init(_ plan: LoadPlan, _ result: LoadRun.Result, objective: LoadObjective? = nil) {
        self.plan = plan
        self.result = result
        self.objective = result.isInterrupted ? nil : objective
    }

    /// What is printed before the run.
    public static func heading(_ plan: LoadPlan) -> String {
        """
        Running \(plan.requests.map { "\($0) requests" } ?? LoadText.duration(plan.duration)) test @ \(plan.target.url)\(others(plan))
          \(count(plan.processes, "process", "processes")) and \(count(plan.connections, "connection", "connections"))\(pace(plan))

        """
    }

    private static func pace(_ plan: LoadPlan) -> String {
        let warmUp = plan.warmUp > .zero ? ", after \(LoadText.duration(plan.warmUp)) of warm-up" : ""
        return schedule(plan) + warmUp
    }

    private static func others(_ plan: LoadPlan) -> String {
        plan.targets.count > 1 ? " and \(plan.targets.count - 1) more" : ""
    }

    private static func schedule(_ plan: LoadPlan) -> String {
        guard let schedule = plan.schedule else { return "" }
        let rate = LoadText.number(schedule.rate)
        switch schedule.shape {
        case .constant: return ", \(rate) requests/s"
        case .poisson: return ", \(rate) requests/s (Poisson)"
        case .burst(let size): return ", \(rate) requests/s, \(size) at once"
        case .ramp(let end): return ", \(rate) to \(LoadText.number(end)) requests/s"
        case .listed(let moments): return ", \(moments.count) requests when they are listed"
        }
    }

    /// Answers, of any kind.
    public var answers: Int { result.tally.responses }

    /// Requests a second that were answered while the run lasted.
    public var requestsPerSecond: Double {
        result.seconds > 0 ? Double(result.tally.responsesInTime) / result.seconds : 0
    }

    /// What is printed after it.
    public var text: String {
        ([statistics, distribution] + schedule + [totals] + problems + checks + [rates, generator] + server
            + findingLines + [judgement]).joined(
                separator: "\n"
            ) + "\n"
    }

    private var statistics: String {
        let latencies = result.tally.latencies
        let isEmpty = latencies.totalCount == 0
        let (mean, deviation) = isEmpty ? (0, 0) : (latencies.mean, latencies.stdDeviation)
        let near = latencies.count(within: UInt64(max(0, mean - deviation))...UInt64(mean + deviation))
        let share = isEmpty ? 0 : Double(near) / Double(latencies.totalCount) * 100
        return """
              Process Stats  Avg      Stdev     Max   +/- Stdev
                Latency \(row([mean, deviation, Double(latencies.max)].map(LoadText.time), share))
                Req/Sec \(rateRow)
            """
    }

    private var rateRow: String {
        let rates = result.rates
        guard !rates.isEmpty else { return row(["-", "-", "-"], 0) }
        let mean = rates.reduce(0, +) / Double(rates.count)
        let deviation = (rates.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(rates.count)).squareRoot()
        let near = rates.count { abs($0 - mean) <= deviation }
        let share = Double(near) / Double(rates.count) * 100
        return row([mean, deviation, rates.max() ?? 0].map(LoadText.count), share)
    }

    private func row(_ values: [String], _ share: Double) -> String {
        LoadText.right(values[0], 10) + LoadText.right(values[1], 10) + LoadText.right(values[2], 9)
            + LoadText.right(LoadText.fixed(share, 2), 9) + "%"
    }

    private var distribution: String {
        let rows = [50, 75, 90, 99, 99.9, 99.99].map { (percentile: Double) -> String in
            let value = LoadText.time(nanoseconds: Double(result.tally.latencies.valueAtPercentile(percentile)))
            let digits = percentile == 99.99 ? 2 : percentile == 99.9 ? 1 : 0
            return "  " + LoadText.right(LoadText.fixed(percentile, digits), 6) + "%" + LoadText.right(value, 10)
        }
        return (["  Latency Distribution"] + rows).joined(separator: "\n")
    }

    private var schedule: [String] {
        let tally = result.tally
        guard plan.schedule != nil else { return [] }
        func percentiles(_ histogram: Histogram<UInt64>) -> String {
            guard histogram.totalCount > 0 else { return "-" }
            let values = [(50.0, "50%"), (99, "99%")].map { percentile, name in
                "\(name) " + LoadText.time(nanoseconds: Double(histogram.valueAtPercentile(percentile)))
            }
            return (values + ["max " + LoadText.time(nanoseconds: Double(histogram.max))]).joined(separator: "  ")
        }
        return [
            "  Service time   \(percentiles(tally.services))", "  Generator lag  \(percentiles(tally.lags))",
            "  \(tally.scheduled) due, \(tally.sent) sent, \(tally.unsent) unsent, \(tally.unanswered) unanswered",
        ]
    }

    private var totals: String {
        let seconds = LoadText.fixed(result.seconds, 2)
        let size = LoadText.size(bytes: Double(result.tally.bytesRead))
        return "  \(result.tally.responses) requests in \(seconds)s, \(size) read"
    }

    private var problems: [String] {
        var lines: [String] = []
        let tally = result.tally
        if tally.failureCount > 0 {
            let kinds = LoadTally.Failure.allCases.map { "\($0) \(tally.count(of: $0))" }.joined(separator: ", ")
            lines.append("  Socket errors: \(kinds)")
            lines += tally.incidents.lines
        }
        if tally.unsuccessful > 0 { lines.append("  Non-2xx or 3xx responses: \(tally.unsuccessful)") }
        if result.lostProcesses > 0 {
            lines.append("  \(result.lostProcesses) load processes died; what they counted is missing")
        }
        if tally.unanswered > 0, plan.schedule == nil { lines.append("  Unanswered: \(tally.unanswered)") }
        if result.isInterrupted { lines.append("  Interrupted: this is what there was until then") }
        return lines
    }

    private var rates: String {
        let bytes = result.seconds > 0 ? Double(result.tally.bytesRead) / result.seconds : 0
        return """
            Requests/sec: \(LoadText.right(LoadText.fixed(requestsPerSecond, 2), 10))
            Transfer/sec: \(LoadText.right(LoadText.size(bytes: bytes), 12))
            """
    }

    private var generator: String {
        let busy = result.userSeconds + result.systemSeconds
        let share = result.seconds > 0 ? busy / result.seconds / Double(plan.processes) * 100 : 0
        let perRequest = result.tally.responses > 0 ? busy * 1e6 / Double(result.tally.responses) : 0
        return "Generator CPU: \(LoadText.fixed(share, 0))% of \(Self.count(plan.processes, "core", "cores")), "
            + "\(LoadText.fixed(perRequest, 2)) us a request "
            + "(user \(LoadText.fixed(result.userSeconds, 2)) s, system \(LoadText.fixed(result.systemSeconds, 2)) s)"
            + (result.tally.spun > 0 ? ", \(LoadText.fixed(Double(result.tally.spun) / 1e9, 2)) s of it spinning" : "")
    }

    private var server: [String] { result.server.map { [$0.text] } ?? [] }

    private var judgement: String {
        "Verdict: \(verdict.word.rawValue)" + (verdict.reason.isEmpty ? "" : ", \(verdict.reason)")
    }

    private static func count(_ number: Int, _ one: String, _ many: String) -> String {
        "\(number) \(number == 1 ? one : many)"
    }
}
