// A run's result for programs: one JSON object. Its names are documented in the README and stay as they are; new ones may come.
import Histogram

extension LoadSummary {
    /// What the numbers are worth.
    public var verdict: LoadVerdict { LoadVerdict(evidence) }

    var evidence: LoadVerdict.Evidence {
        let tally = result.tally
        var evidence = LoadVerdict.Evidence()
        evidence.answers = tally.responses
        evidence.errors = tally.errorCount
        evidence.ownFailures = tally.incidents.ownFailures
        evidence.lostProcesses = result.lostProcesses
        if tally.elapsed > 0 {
            evidence.demand = Double(tally.demand) / Double(tally.elapsed)
            evidence.occupied = occupied
        }
        if tally.lags.totalCount > 0 { evidence.lag = Double(tally.lags.valueAtPercentile(99)) }
        if tally.latencies.totalCount > 0 { evidence.latency = Double(tally.latencies.valueAtPercentile(99)) }
        evidence.connections = plan.connections
        evidence.wanted = plan.connections * plan.pipelining
        if let requests = plan.requests {
            // A few requests keep only a few connections busy, and the last ones none at all: that is how many were asked for.
            evidence.connections = min(evidence.connections, requests)
            if requests < evidence.wanted * Self.fewRequests { evidence.wanted = 0 }
        }
        evidence.served = tally.servedConnections
        if plan.schedule != nil { (evidence.scheduled, evidence.sent) = (tally.scheduled, tally.sent) }
        return evidence
    }

    /// With fewer requests than this for each that can be out, how many were out on average says nothing.
    private static let fewRequests = 20

    /// Requests that were out on average: by Little's law latency times rate.
    ///
    /// Connections that were being made count, too: no request can be out on them.
    var occupied: Double {
        let tally = result.tally
        guard tally.elapsed > 0, tally.latencies.totalCount > 0 else { return 0 }
        let total = tally.latencies.mean * Double(tally.latencies.totalCount) + Double(tally.connecting)
        return total / Double(tally.elapsed)
    }

    /// The result as one object.
    public var json: JSONValue { .object(members) }

    var members: [JSONValue.Member] {
        let (tally, verdict) = (result.tally, self.verdict)
        let members: [JSONValue.Member] = [
            .init("url", .string(plan.target.url)),
            .init("connections", .integer(plan.connections)),
            .init("pipelining", .integer(plan.pipelining)),
            .init("processes", .integer(plan.processes)),
            .init("interrupted", .boolean(result.isInterrupted)),
            .init("requests", .integer(tally.responses)),
            .init("duration_seconds", .number(result.seconds)),
            .init("requests_per_second", .number(requestsPerSecond)),
            .init("bytes_read", .integer(tally.bytesRead)),
            .init("errors", errors),
            .init("latency_microseconds", Self.microseconds(tally.latencies)),
            .init("generator", generatorObject),
            .init("server", result.server?.json ?? .null),
            .init("verdict", .string(verdict.word.rawValue)),
            .init("verdict_reason", .string(verdict.reason)),
            .init("sent", .integer(tally.sent)),
            .init("unanswered", .integer(tally.unanswered)),
        ]
        return members + openLoop + checkMembers + measured
    }

    private var openLoop: [JSONValue.Member] {
        guard let schedule = plan.schedule else { return [] }
        let tally = result.tally
        return [
            .init("rate", .number(schedule.meanRate)),
            .init("scheduled", .integer(tally.scheduled)),
            .init("unsent", .integer(tally.unsent)),
            .init("service_microseconds", Self.microseconds(tally.services)),
        ]
    }

    private var errors: JSONValue {
        let tally = result.tally
        var members = LoadTally.Failure.allCases.map { JSONValue.Member("\($0)", .integer(tally.count(of: $0))) }
        members.append(.init("status", .integer(tally.unsuccessful)))
        members.append(.init("mismatch", .integer(tally.mismatched)))
        members.append(.init("total", .integer(tally.errorCount)))
        return .object(members)
    }

    private var generatorObject: JSONValue {
        let (tally, evidence) = (result.tally, self.evidence)
        return [
            "cpu_seconds": .number(result.userSeconds + result.systemSeconds),
            "user_seconds": .number(result.userSeconds),
            "system_seconds": .number(result.systemSeconds),
            "lag_p99_microseconds": tally.lags.totalCount > 0 ? .number(evidence.lag / 1e3) : .null,
            "lag_microseconds": Self.microseconds(tally.lags),
            "spinning_seconds": .number(Double(tally.spun) / 1e9),
            "demand": .number(evidence.demand),
            "connections_served": .integer(tally.servedConnections),
            "requests_out_on_average": .number(evidence.occupied),
            "lost_processes": .integer(result.lostProcesses),
        ]
    }

    /// The percentiles that people ask for; null where nothing was counted.
    static func microseconds(_ histogram: Histogram<UInt64>) -> JSONValue {
        let isEmpty = histogram.totalCount == 0
        func value(_ nanoseconds: Double) -> JSONValue { isEmpty ? .null : .number(nanoseconds / 1e3) }
        func percentile(_ percentile: Double) -> JSONValue { value(Double(histogram.valueAtPercentile(percentile))) }
        return [
            "min": value(isEmpty ? 0 : Double(histogram.min)), "mean": value(isEmpty ? 0 : histogram.mean),
            "p50": percentile(50), "p90": percentile(90), "p99": percentile(99), "p99_9": percentile(99.9),
            "max": value(isEmpty ? 0 : Double(histogram.max)),
        ]
    }
}
