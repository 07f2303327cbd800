// Results of runs that went on at the same time, on several machines, as one: counts and rates add up, histograms merge without loss.
// Pure. Percentiles cannot be added, so a result without a histogram is refused.
import Histogram

/// Several results as one.
public struct LoadMerge {
    /// The object of the whole; it has the names of a run's, as far as they can be known.
    public let json: JSONValue

    /// Merges results that have histograms.
    public init(_ runs: [StoredRun]) throws(StoredRun.Failure) {
        var latencies = LoadTally.emptyHistogram
        var nanoseconds = 0.0
        for run in runs {
            guard let histogram = run.histogram else {
                throw StoredRun.Failure(description: "\(run.name): has no histogram, and percentiles cannot be added")
            }
            // Means are a little less than what the histogram's own sums count with.
            nanoseconds += histogram.mean * Double(histogram.totalCount) * 1.001
            guard nanoseconds < HistogramCodec.mostNanoseconds else {
                throw StoredRun.Failure(description: "\(run.name): more latencies than can be added up")
            }
            latencies.add(histogram)
        }
        func sum(_ name: String) throws(StoredRun.Failure) -> Int {
            var sum = 0
            for run in runs { sum = try Self.sum(sum, run.json[name]?.integer ?? 0, name, of: run) }
            return sum
        }
        // Each machine's rate is its own: their clocks need not agree.
        var rate = 0.0
        for run in runs {
            guard let its = run.rate, its >= 0 else {
                throw StoredRun.Failure(description: "\(run.name): has no requests_per_second")
            }
            rate += its
        }
        var errors: [JSONValue.Member] = []
        for run in runs {
            guard case .object(let members)? = run.json["errors"] else { continue }
            for member in members {
                guard let count = member.value.integer else { continue }
                if let index = errors.firstIndex(where: { $0.name == member.name }) {
                    let before = errors[index].value.integer ?? 0
                    errors[index].value = .integer(try Self.sum(before, count, member.name, of: run))
                } else {
                    errors.append(.init(member.name, .integer(try Self.sum(0, count, member.name, of: run))))
                }
            }
        }
        let order = ["ERRORS", "GENERATOR-BOUND", "STARVED", "VALID"]
        let worst = runs.min { first, second in
            (order.firstIndex(of: first.verdict) ?? 0) < (order.firstIndex(of: second.verdict) ?? 0)
        }
        let isInterrupted = runs.contains { $0.json["interrupted"] == .boolean(true) }
        json = [
            "merged_from": .array(runs.map { .string($0.name) }),
            "url": .string(runs.first?.json["url"]?.string ?? ""),
            "connections": .integer(try sum("connections")), "processes": .integer(try sum("processes")),
            "interrupted": .boolean(isInterrupted), "requests": .integer(try sum("requests")),
            "duration_seconds": .number(runs.map(\.seconds).max() ?? 0), "requests_per_second": .number(rate),
            "bytes_read": .integer(try sum("bytes_read")), "errors": .object(errors),
            "latency_microseconds": LoadSummary.microseconds(latencies), "server": .null,
            "verdict": .string(worst?.verdict ?? ""),
            "verdict_reason": .string(worst.map { "\($0.name): " + ($0.json["verdict_reason"]?.string ?? "") } ?? ""),
            "sent": .integer(try sum("sent")), "unanswered": .integer(try sum("unanswered")),
            "scheduled": .integer(try sum("scheduled")), "unsent": .integer(try sum("unsent")),
            "latency_histogram": .string(latencies.encodedText),
        ]
        (self.runs, self.latencies, self.rate) = (runs, latencies, rate)
    }

    /// Numbers beyond this are not exact in everybody's JSON.
    private static let most = 1 << 53

    private static func sum(
        _ first: Int,
        _ second: Int,
        _ name: String,
        of run: StoredRun
    ) throws(StoredRun.Failure) -> Int {
        let (sum, overflows) = first.addingReportingOverflow(second)
        guard second >= 0, !overflows, sum <= most else {
            throw StoredRun.Failure(description: "\(run.name): \(name) is no number that can be added: \(second)")
        }
        return sum
    }

    private let runs: [StoredRun]
    private let latencies: Histogram<UInt64>
    private let rate: Double

    /// Lines for people.
    public var text: String {
        var lines = [
            "\(runs.count) runs, \(json["requests"]?.integer ?? 0) requests, "
                + "\(json["errors"]?["total"]?.integer ?? 0) errors"
        ]
        for percentile in [50, 75, 90, 99, 99.9, 99.99] where latencies.totalCount > 0 {
            let value = LoadText.time(nanoseconds: Double(latencies.valueAtPercentile(percentile)))
            lines.append("  " + LoadText.right(LoadText.number(percentile), 6) + "%" + LoadText.right(value, 10))
        }
        lines.append("Requests/sec: \(LoadText.right(LoadText.fixed(rate, 2), 10))")
        lines.append("Verdict: \(json["verdict"]?.string ?? "")")
        return lines.joined(separator: "\n") + "\n"
    }
}
