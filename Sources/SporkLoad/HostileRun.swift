// The same load three times: alone, beside clients that behave badly, and alone again; what the middle one loses is what they cost. The
// server is the same one all the time.
import Glibc
import Histogram
import SporkNet

/// A load beside bad clients.
public struct HostileRun {
    /// What came of it.
    public struct Result {
        /// A run's part.
        struct Phase {
            var name: String
            var plan: LoadPlan
            var result: LoadRun.Result
        }

        var kind = HostileKind.churn
        var clients = 0
        var phases: [Phase] = []
        var counts = HostileClients.Counts()
        /// Whether a signal ended it.
        public var isInterrupted = false
        /// Whether there was a phase without an answer.
        public var isUnanswered: Bool { phases.contains { $0.result.tally.responses == 0 } }
    }

    /// How long bad clients have to settle before the load begins, in milliseconds.
    private static let settling: Int32 = 500

    private let plan: LoadPlan
    private let kind: HostileKind
    private let clients: Int

    /// - Parameters:
    ///   - plan: the load that is measured.
    ///   - clients: how many of the bad clients there are at a time.
    public init(plan: LoadPlan, kind: HostileKind, clients: Int) {
        (self.plan, self.kind, self.clients) = (plan, kind, clients)
    }

    /// Runs all three.
    public func run(watching pid: Int32?, showsProgress: Bool) throws -> Result {
        var result = Result()
        (result.kind, result.clients) = (kind, clients)
        func run(_ name: String) throws {
            guard !result.isInterrupted, !Interrupt.hasCome else {
                result.isInterrupted = true
                return
            }
            var run = LoadRun(plan, showsProgress: showsProgress)
            run.observer = pid.map { RunObserver(server: ServerWatch(pid: $0), wantsTimeline: false) }
            let found = try run.run()
            result.phases.append(Result.Phase(name: name, plan: plan, result: found))
            result.isInterrupted = found.isInterrupted
        }
        try run("before")
        if !result.isInterrupted {
            let hostile = try HostileClients(kind, clients: clients, target: plan.target)
            defer { hostile.stop() }
            Interrupt.pause(milliseconds: Self.settling)
            try run("during")
            result.counts = hostile.counts
        }
        try run("afterwards")
        return result
    }
}

extension HostileRun.Result {
    private func summary(_ phase: Phase) -> LoadSummary { LoadSummary(phase.plan, phase.result) }

    nonisolated private static func percentile(_ phase: Phase, _ percentile: Double) -> Double? {
        let latencies = phase.result.tally.latencies
        return latencies.totalCount > 0 ? Double(latencies.valueAtPercentile(percentile)) : nil
    }

    /// How many times as much a phase has as the first one; nil where there is nothing to compare.
    private func ratio(_ phase: Phase, _ value: (Phase) -> Double?) -> Double? {
        guard let first = phases.first.flatMap(value), first > 0, let its = value(phase) else { return nil }
        return its / first
    }

    /// Lines for people.
    public var text: String {
        func fixed(_ value: Double?, _ digits: Int) -> String { value.map { LoadText.fixed($0, digits) } ?? "-" }
        func line(_ columns: [String]) -> String {
            zip(columns, [10, 12, 10, 10, 8, 16, 12]).map { LoadText.right($0, $1) }.joined(separator: " ")
        }
        var lines = [
            "\(clients) \(kind.rawValue) clients beside the load",
            line(["phase", "requests/s", "p50", "p99", "errors", "server us/req", "server PSS"]),
        ]
        lines += phases.map { phase in
            func time(_ value: Double) -> String {
                Self.percentile(phase, value).map { LoadText.time(nanoseconds: $0) } ?? "-"
            }
            return line([
                phase.name, LoadText.fixed(summary(phase).requestsPerSecond, 0), time(50), time(99),
                "\(phase.result.tally.errorCount)", fixed(phase.result.server?.microsecondsPerRequest, 2),
                phase.result.server?.memory.map { LoadText.size(bytes: Double($0.peak)) } ?? "-",
            ])
        }
        for phase in phases.dropFirst() {
            lines.append(
                "\(phase.name == "during" ? "During" : "Afterwards"): "
                    + "rate x \(fixed(ratio(phase) { summary($0).requestsPerSecond }, 2)), "
                    + "p50 x \(fixed(ratio(phase) { Self.percentile($0, 50) }, 2)), "
                    + "p99 x \(fixed(ratio(phase) { Self.percentile($0, 99) }, 2))"
            )
        }
        if phases.count > 1 {
            lines.append(
                "The clients made \(counts.opened) connections; the server ended \(counts.ended), "
                    + "\(counts.refused) could not be made"
            )
        }
        if isInterrupted { lines.append("Interrupted: this is what there was until then") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The same as an object: of each phase the object of its run.
    public var json: JSONValue {
        func number(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
        let rows = phases.map { phase -> JSONValue in
            var members = summary(phase).members
            members.insert(.init("phase", .string(phase.name)), at: 0)
            members += [
                .init("rate_ratio", number(ratio(phase) { summary($0).requestsPerSecond })),
                .init("p50_ratio", number(ratio(phase) { Self.percentile($0, 50) })),
                .init("p99_ratio", number(ratio(phase) { Self.percentile($0, 99) })),
            ]
            return .object(members)
        }
        return [
            "hostile": .string(kind.rawValue), "clients": .integer(clients),
            "clients_opened": .integer(counts.opened), "clients_ended_by_server": .integer(counts.ended),
            "clients_refused": .integer(counts.refused), "interrupted": .boolean(isInterrupted),
            "phases": .array(rows),
        ]
    }
}
