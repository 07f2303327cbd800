// The parts of a report about what was asked for beyond counting: answers compared, several URLs, the ledger, and objectives.
import Histogram
import SporkLoop

extension LoadSummary {
    /// Each clause of the objective with what was measured; empty without one, and when a signal has ended the run.
    public var findings: [LoadObjective.Finding] {
        objective?.findings(in: result, requestsPerSecond: requestsPerSecond) ?? []
    }

    /// Whether an objective was missed.
    public var missesObjective: Bool { findings.contains { !$0.isMet } }

    /// Whether answers were compared and one was another one, or a number of the ledger has not come back right.
    public var hasUnexpectedAnswers: Bool {
        let ledger = result.tally.ledger
        return result.tally.mismatched > 0 || (plan.keepsLedger && ledger.count(.right) != ledger.numbers)
    }

    var findingLines: [String] {
        findings.map { "SLO \($0.clause.text): \($0.isMet ? "met" : "MISSED"), measured \($0.valueText)" }
    }

    /// Lines about what is worth a line.
    var checks: [String] {
        let tally = result.tally
        var lines: [String] = []
        if tally.mismatched > 0 {
            lines.append("  Answers that are not what was expected: \(tally.mismatched)")
            lines += tally.mismatches.prefix(Self.shownMismatches).map { "    \(plan.targets[$0.url].url): \($0.text)" }
        } else if verifies, tally.responses > 0 {
            lines.append("  All \(tally.responses) answers are what was expected")
        }
        if tally.idleCloses > 0 { lines.append("  Idle connections that the server closed: \(tally.idleCloses)") }
        lines += zip(plan.targets, tally.urls).map { target, count in
            "  \(target.url): \(count.answers) answers, \(count.errors) errors"
        }
        if plan.keepsLedger { lines += ledgerLines }
        if !tally.isBalanced { lines.append("  The counts do not add up; this is an error in the generator") }
        return lines
    }

    /// How many answers that were not expected are shown; each process keeps its first.
    private static let shownMismatches = 4

    private var verifies: Bool { !plan.expectation.isNothing || plan.targets.contains(where: \.isEcho) }

    private var ledgerLines: [String] {
        let ledger = result.tally.ledger
        let endings = LoadLedger.Ending.all.filter { ledger.count($0) > 0 || $0 == .right }
        let counts = endings.map { "\(ledger.count($0)) \($0.name)" }.joined(separator: ", ")
        let balance = ledger.isBalanced ? "every number ended once" : "\(ledger.open) open, \(ledger.twice) twice"
        return ["  Ledger: \(ledger.numbers) requests: \(counts); \(balance)"]
    }

    var checkMembers: [JSONValue.Member] {
        let tally = result.tally
        var members: [JSONValue.Member] = [
            .init("warm_up_seconds", .number(plan.warmUp.seconds)),
            .init("status_classes", statusClasses),
            .init("errors_by_phase", tally.incidents.json),
            .init("idle_closes", .integer(tally.idleCloses)),
            .init("mismatches", .array(tally.mismatches.map(\.json))),
            .init("accounted", .boolean(tally.isBalanced)),
            .init("latency_histogram", .string(tally.latencies.encodedText)),
        ]
        if plan.targets.count > 1 { members.append(.init("urls", urls)) }
        if plan.keepsLedger { members.append(.init("ledger", ledgerObject)) }
        if objective != nil {
            members.append(
                .init("slo", ["met": .boolean(!missesObjective), "clauses": .array(findings.map(\.json))])
            )
        }
        return members
    }

    private var statusClasses: JSONValue {
        .object(
            (1...5).map { .init("\($0)xx", .integer(result.tally.statusClasses[$0])) }
                // What no class is for (RFC 9110, 15), but can be sent.
                + [.init("other", .integer(result.tally.statusClasses[6] + result.tally.statusClasses[7]))]
        )
    }

    private var urls: JSONValue {
        .array(
            zip(plan.targets, result.tally.urls).map { target, count in
                ["url": .string(target.url), "answers": .integer(count.answers), "errors": .integer(count.errors)]
            }
        )
    }

    private var ledgerObject: JSONValue {
        let ledger = result.tally.ledger
        var members: [JSONValue.Member] = [.init("numbers", .integer(ledger.numbers))]
        for ending in LoadLedger.Ending.all {
            let name = String(ending.name.map { $0 == " " ? "_" : $0 }.filter { $0 != ":" })
            members.append(.init(name, .integer(ledger.count(ending))))
        }
        members.append(.init("open", .integer(ledger.open)))
        members.append(.init("twice", .integer(ledger.twice)))
        members.append(.init("balanced", .boolean(ledger.isBalanced)))
        return .object(members)
    }
}
