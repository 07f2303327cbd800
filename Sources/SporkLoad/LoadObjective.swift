// What a result has to be, as people write it: "p99<5ms,errors<0.1%". Pure: the text is taken apart here, and measured against a
// result's counts.
import Histogram

/// One or more clauses, all of which have to hold.
public nonisolated struct LoadObjective: Equatable, Sendable {
    /// What a clause is about.
    public enum Measure: Equatable, Sendable {
        /// A latency in nanoseconds: of an open loop from the moment at which a request was due.
        case percentile(Double)
        case mean, minimum, maximum
        /// The part of all requests that went wrong, in per cent; of an open loop those that were never sent are among them.
        case errorShare
        /// How many went wrong.
        case errors
        /// Answers a second.
        case rate
    }

    /// How it is compared.
    public enum Relation: String, Equatable, Sendable, CaseIterable {
        case atMost = "<="
        case atLeast = ">="
        case below = "<"
        case above = ">"

        func holds(_ left: Double, _ right: Double) -> Bool {
            switch self {
            case .atMost: left <= right
            case .atLeast: left >= right
            case .below: left < right
            case .above: left > right
            }
        }
    }

    /// One comparison.
    public struct Clause: Equatable, Sendable {
        /// As it was written.
        public var text: String
        /// What is compared.
        public var measure: Measure
        /// How.
        public var relation: Relation
        /// With what: nanoseconds, per cent, requests a second or a number.
        public var bound: Double

        /// Whether it says how many requests may go wrong.
        public var isAboutErrors: Bool { measure == .errors || measure == .errorShare }
    }

    /// A clause with what was measured.
    public struct Finding {
        /// The clause.
        public var clause: Clause
        /// What was measured; nil when there was nothing to measure, which misses it.
        public var value: Double?
        /// Whether it holds.
        public var isMet: Bool { value.map { clause.relation.holds($0, clause.bound) } ?? false }
    }

    /// Why a text is none.
    public struct Failure: Error, Equatable, CustomStringConvertible {
        /// One line.
        public let description: String
    }

    /// In the order in which they were written.
    public let clauses: [Clause]

    /// Reads clauses with commas between them: p50 … p99.99, mean, min and max with us, ms or s; errors with % or as a number; rate.
    public init(_ text: String) throws(Failure) {
        var clauses: [Clause] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            clauses.append(try Self.clause(part.filter { $0 != " " }))
        }
        self.clauses = clauses
    }

    private static func clause(_ text: String) throws(Failure) -> Clause {
        let name = text.prefix { $0 != "<" && $0 != ">" }
        let rest = text.dropFirst(name.count)
        guard let relation = Relation.allCases.first(where: { rest.hasPrefix($0.rawValue) }) else {
            throw Failure(description: "'\(text)' is no clause such as p99<5ms, errors<0.1% or rate>1000")
        }
        let value = rest.dropFirst(relation.rawValue.count)
        func clause(_ measure: Measure, _ bound: Double) -> Clause {
            Clause(text: text, measure: measure, relation: relation, bound: bound)
        }
        switch name {
        case "errors":
            if value.hasSuffix("%"), let share = number(value.dropLast()) { return clause(.errorShare, share) }
            if let count = number(value) { return clause(.errors, count) }
            throw Failure(description: "'\(text)': errors take a number, or a part such as 0.1%")
        case "rate":
            let isThousands = value.hasSuffix("k")
            if let rate = number(isThousands ? value.dropLast() : value) {
                return clause(.rate, isThousands ? rate * 1000 : rate)
            }
            throw Failure(description: "'\(text)': a rate is a number of requests a second")
        default:
            guard let measure = latency(name) else {
                throw Failure(description: "'\(text)': \(name) is none of p0 to p100, mean, min, max, errors, rate")
            }
            guard let bound = time(value) else {
                throw Failure(description: "'\(text)': a latency is a number with us, ms or s")
            }
            return clause(measure, bound)
        }
    }

    private static func latency(_ name: Substring) -> Measure? {
        switch name {
        case "mean": .mean
        case "min": .minimum
        case "max": .maximum
        default:
            name.first == "p"
                ? number(name.dropFirst()).flatMap { (0...100).contains($0) ? .percentile($0) : nil } : nil
        }
    }

    private static func time(_ text: Substring) -> Double? {
        for (unit, factor) in [("us", 1e3), ("ms", 1e6), ("s", 1e9)] where text.hasSuffix(unit) {
            return number(text.dropLast(unit.count)).map { $0 * factor }
        }
        return nil
    }

    // Digits with at most one point: no signs, no exponents, no infinity.
    private static func number(_ text: Substring) -> Double? {
        guard text.first?.isNumber ?? false, text.last?.isNumber ?? false,
            text.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") })
        else { return nil }
        return Double(text)
    }
}

extension LoadObjective {
    /// Each clause with what a run has given.
    ///
    /// Where a load process died its part is missing: nothing was measured then, and everything is missed.
    public func findings(in result: LoadRun.Result, requestsPerSecond: Double) -> [Finding] {
        clauses.map { clause in
            let value = result.lostProcesses > 0 ? nil : Self.value(of: clause.measure, result.tally, requestsPerSecond)
            return Finding(clause: clause, value: value)
        }
    }

    private static func value(of measure: Measure, _ tally: LoadTally, _ rate: Double) -> Double? {
        // What was due and never sent is somebody's request that was not served.
        let (latencies, total) = (tally.latencies, tally.responses + tally.failureCount + tally.unsent)
        switch measure {
        case .rate: return rate
        case .errors: return Double(tally.errorCount)
        case .errorShare: return total > 0 ? Double(tally.errorCount + tally.unsent) * 100 / Double(total) : nil
        default: break
        }
        guard latencies.totalCount > 0, tally.responses > 0 else { return nil }
        return switch measure {
        case .percentile(let percentile): Double(latencies.valueAtPercentile(percentile))
        case .mean: latencies.mean
        case .minimum: Double(latencies.min)
        default: Double(latencies.max)
        }
    }
}

extension LoadObjective.Finding {
    /// The value with its unit.
    public var valueText: String {
        guard let value else { return "nothing" }
        return switch clause.measure {
        case .errors: LoadText.fixed(value, 0)
        case .errorShare: LoadText.fixed(value, 3) + "%"
        case .rate: LoadText.fixed(value, 2) + "/s"
        default: LoadText.time(nanoseconds: value)
        }
    }

    var json: JSONValue {
        let isTime =
            switch clause.measure {
            case .errors, .errorShare, .rate: false
            default: true
            }
        return [
            "clause": .string(clause.text), "met": .boolean(isMet),
            isTime ? "measured_microseconds" : "measured": value.map { .number(isTime ? $0 / 1e3 : $0) } ?? .null,
        ]
    }
}
