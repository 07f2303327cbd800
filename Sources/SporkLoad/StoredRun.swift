// A result that was printed with --format json, read again: of one run, with its histogram where it has one. Pure. Used by diff, merge and
// whatever else looks at results later.
import Histogram

/// A run's result out of a file.
public struct StoredRun {
    /// Why a text cannot be used.
    public struct Failure: Error, CustomStringConvertible {
        /// One line.
        public var description: String
    }

    /// Where it came from.
    public let name: String
    let json: JSONValue
    /// The latencies in nanoseconds; nil in results that have only percentiles.
    let histogram: Histogram<UInt64>?

    /// Reads the object of one run.
    ///
    /// - Throws: `Failure` for anything else, also for the object of a sweep or a comparison.
    public init(_ text: String, name: String) throws(Failure) {
        do { json = try JSONReader.value(of: text) } catch { throw Failure(description: "\(name): \(error)") }
        self.name = name
        guard json["requests"]?.integer != nil, json["latency_microseconds"] != nil else {
            throw Failure(description: "\(name): not the result of one run of spork bench")
        }
        guard let encoded = json["latency_histogram"]?.string else {
            histogram = nil
            return
        }
        do { histogram = try HistogramCodec.histogram(of: encoded) } catch {
            throw Failure(description: "\(name): histogram: \(error)")
        }
    }

    var requests: Int { json["requests"]?.integer ?? 0 }
    var errors: Int { json["errors"]?["total"]?.integer ?? 0 }
    var seconds: Double { json["duration_seconds"]?.double ?? 0 }
    var rate: Double? { json["requests_per_second"]?.double }
    var serverCost: Double? { json["server"]?["cpu_microseconds_per_request"]?.double }
    /// Whether it is worth something.
    var verdict: String { json["verdict"]?.string ?? "" }

    /// A percentile of the latencies in nanoseconds, from the histogram or as it was printed.
    func latency(_ percentile: Double) -> Double? {
        if let histogram { return histogram.totalCount > 0 ? Double(histogram.valueAtPercentile(percentile)) : nil }
        let name = "p" + LoadText.number(percentile).replacingPoint
        return json["latency_microseconds"]?[name]?.double.map { $0 * 1e3 }
    }

    func latency(named name: String) -> Double? { json["latency_microseconds"]?[name]?.double.map { $0 * 1e3 } }

    /// Where a percentile may be, had other requests been drawn from the same latencies: 95 % (by the ranks' binomial distribution).
    ///
    /// Nil without a histogram.
    func range(_ percentile: Double) -> LoadStatistics.Interval? {
        guard let histogram, histogram.totalCount > 0 else { return nil }
        let count = Double(histogram.totalCount)
        let share = percentile / 100
        let spread = 1.96 * (share * (1 - share) / count).squareRoot()
        func value(_ share: Double) -> Double {
            Double(histogram.valueAtPercentile(min(max(share, 0), 1) * 100))
        }
        return .init(low: value(share - spread), high: value(share + spread))
    }
}

extension String {
    /// A number's text as it stands in names: "99.9" is "99_9".
    fileprivate var replacingPoint: String { String(map { $0 == "." ? "_" : $0 }) }
}
