// Two results side by side: rates, errors, processor time, and latencies percentile by percentile; and conditions on the changes, which
// a script can fail by. Pure. One run each says nothing about how much runs differ among themselves: spork bench compare does.
import Histogram

/// What has changed from one result to another.
public struct LoadDiff {
    /// A quantity in both.
    struct Row {
        /// Its name in conditions.
        var name: String
        var before: Double?
        var after: Double?
        /// Whether the two are apart by more than chance in one run explains; nil when that is not known.
        var isApart: Bool?
        /// Whether more is better.
        var isGain = false
        /// Whether it is a time in nanoseconds.
        var isTime = false

        /// How much it has changed, as a part of what it was; nil when it was nothing, or is not known.
        var change: Double? {
            guard let before, let after, before > 0 else { return nil }
            return after / before - 1
        }

        /// The change in a word.
        var word: String {
            guard let change else { return before == after ? "same" : "not comparable" }
            // Without ranges, less than this is not called a change.
            if isApart == false || (isApart == nil && abs(change) < 0.02) { return "no detectable difference" }
            return (change > 0) == isGain ? "better" : "worse"
        }
    }

    private static let percentiles = [50, 75, 90, 95, 99, 99.9, 99.99]

    let before: StoredRun
    let after: StoredRun
    let rows: [Row]

    /// Compares `after` with `before`.
    public init(_ before: StoredRun, _ after: StoredRun) {
        (self.before, self.after) = (before, after)
        var rows = [
            Row(name: "rate", before: before.rate, after: after.rate, isGain: true),
            Row(name: "errors", before: Double(before.errors), after: Double(after.errors)),
            Row(name: "cpu", before: before.serverCost, after: after.serverCost),
            Row(name: "mean", before: before.latency(named: "mean"), after: after.latency(named: "mean"), isTime: true),
        ]
        rows += Self.percentiles.map { percentile in
            var row = Row(name: "p" + LoadText.number(percentile), isTime: true)
            (row.before, row.after) = (before.latency(percentile), after.latency(percentile))
            if let first = before.range(percentile), let second = after.range(percentile) {
                row.isApart = first.high < second.low || second.high < first.low
            }
            return row
        }
        rows.append(
            Row(name: "max", before: before.latency(named: "max"), after: after.latency(named: "max"), isTime: true)
        )
        self.rows = rows.filter { $0.before != nil || $0.after != nil }
    }

    /// Lines for people.
    public var text: String {
        func value(_ value: Double?, _ row: Row) -> String {
            guard let value else { return "-" }
            return row.isTime ? LoadText.time(nanoseconds: value) : LoadText.fixed(value, row.name == "errors" ? 0 : 2)
        }
        var lines = ["\(before.name) -> \(after.name)"]
        for run in [before, after] where run.verdict != "VALID" { lines.append("\(run.name) is \(run.verdict)") }
        lines += rows.map { row in
            let change = row.change.map { Self.percent($0) } ?? "-"
            return LoadText.right(row.name, 8) + LoadText.right(value(row.before, row), 12)
                + LoadText.right(value(row.after, row), 12) + LoadText.right(change, 10) + "  \(row.word)"
        }
        lines.append(
            "One run each: how much runs differ among themselves is not in it; spork bench compare measures that."
        )
        return lines.joined(separator: "\n") + "\n"
    }

    static func percent(_ change: Double) -> String {
        (change > 0 ? "+" : "") + LoadText.fixed(change * 100, 1) + "%"
    }

    /// The same as an object.
    public func json(failed: [String]) -> JSONValue {
        func number(_ value: Double?, _ row: Row) -> JSONValue {
            value.map { .number(row.isTime ? $0 / 1e3 : $0) } ?? .null
        }
        let objects = rows.map { row -> JSONValue in
            [
                "name": .string(row.name), "unit": .string(row.isTime ? "microseconds" : "number"),
                "before": number(row.before, row), "after": number(row.after, row),
                "change_percent": row.change.map { .number($0 * 100) } ?? .null, "word": .string(row.word),
            ]
        }
        return [
            "before": .string(before.name), "after": .string(after.name), "rows": .array(objects),
            "failed": .array(failed.map { .string($0) }),
        ]
    }

    /// Which of the conditions hold, in words.
    public func failures(of conditions: [Condition]) -> [String] {
        conditions.compactMap { condition in
            guard let row = rows.first(where: { $0.name == condition.name }) else {
                return "\(condition.text): not measured"
            }
            // From nothing to something is more than any part of it.
            let change = row.change ?? ((row.after ?? 0) > (row.before ?? 0) ? .infinity : 0)
            let holds = condition.isAbove ? change > condition.limit : change < condition.limit
            guard holds else { return nil }
            return "\(condition.text): it is \(change.isFinite ? Self.percent(change) : "new")"
        }
    }

    /// Something that shall not be: "p99>+10%".
    public struct Condition: Equatable {
        /// How it was written.
        public var text: String
        var name: String
        var isAbove: Bool
        /// As a part, not in percent.
        var limit: Double

        /// What can be named.
        public static var names: [String] {
            ["rate", "errors", "cpu", "mean"] + LoadDiff.percentiles.map { "p" + LoadText.number($0) } + ["max"]
        }

        /// Reads one; nil when it is none.
        public init?(_ text: String) {
            let text = String(text.filter { $0 != " " })
            guard let sign = text.firstIndex(where: { $0 == ">" || $0 == "<" }), text.hasSuffix("%") else { return nil }
            let number = text[text.index(after: sign)...].dropLast()
            let digits = number.drop { $0 == "+" || $0 == "-" }
            guard number.count - digits.count <= 1, !digits.isEmpty,
                digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }), let limit = Double(digits)
            else { return nil }
            self.text = text
            name = String(text[..<sign])
            isAbove = text[sign] == ">"
            self.limit = (number.hasPrefix("-") ? -limit : limit) / 100
            guard Self.names.contains(name) else { return nil }
        }
    }
}
