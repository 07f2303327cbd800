// What a sweep over numbers of workers says about scaling: how much of the first row's throughput per worker each row keeps, and the
// law behind it. Rows in which server and generator had more processes than there are processors are marked: they tell about the
// machine.
import Glibc
import SporkPrefork

extension LoadSweep {
    /// Whether workers and load processes together are more than the processors.
    static func isOversubscribed(workers: Int, processes: Int, processors: Int) -> Bool {
        workers + processes > processors
    }

    /// Throughput per worker, as a part of the first row's.
    static func efficiencies(_ rows: [Row]) -> [Double] {
        func perWorker(_ row: Row) -> Double { rate(of: row) / Double(row.workers) }
        guard let first = rows.first.map(perWorker), first > 0 else { return rows.map { _ in 0 } }
        return rows.map { perWorker($0) / first }
    }

    static func rate(of row: Row) -> Double { LoadSummary(row.plan, row.result).requestsPerSecond }

    /// The generator's part of all processor time that was used.
    static func generatorShare(of row: Row) -> Double? {
        let generator = row.result.userSeconds + row.result.systemSeconds
        let all = generator + (row.result.server?.processorTime ?? 0)
        return all > 0 ? generator / all : nil
    }

    /// The law that the rows follow; nil when there are too few.
    public static func fit(_ rows: [Row]) -> ScalingFit? {
        ScalingFit(rows.map { ScalingFit.Point(workers: Double($0.workers), rate: rate(of: $0)) })
    }

    /// Lines below the table.
    public func scalingText(_ rows: [Row], processors: Int = ProcessorCount.available) -> String {
        var lines = zip(rows, Self.efficiencies(rows)).map { row, efficiency in
            let share = Self.generatorShare(of: row).map { LoadText.fixed($0 * 100, 0) + "%" } ?? "-"
            let isOver = Self.isOversubscribed(
                workers: row.workers,
                processes: row.plan.processes,
                processors: processors
            )
            let workers = row.workers == 1 ? "1 worker" : "\(row.workers) workers"
            return
                "  with \(workers): efficiency \(LoadText.fixed(efficiency, 2)), generator had \(share) of the CPU used"
                + (isOver ? ", OVERSUBSCRIBED: \(row.workers) + \(row.plan.processes) on \(processors)" : "")
        }
        if let fit = Self.fit(rows) {
            let law = rows.count > 2 ? "universal scalability law" : "Amdahl's law"
            lines.append(
                "Scaling (\(law)): contention \(LoadText.fixed(fit.contention, 4)), coherency "
                    + "\(LoadText.fixed(fit.coherency, 4)), one worker \(LoadText.fixed(fit.single, 0)) requests/s, "
                    + "R2 \(LoadText.fixed(fit.determination, 3))"
            )
            if fit.determination < 0.5 { lines.append("  these rows do not follow that law") }
            if let peak = fit.peak { lines.append("  by this law, most with \(LoadText.fixed(peak, 1)) workers") }
        }
        let marked = rows.count {
            Self.isOversubscribed(workers: $0.workers, processes: $0.plan.processes, processors: processors)
        }
        if marked > 0 {
            lines.append(
                "  oversubscribed rows, \(marked) of \(rows.count), tell about this machine, not the server"
            )
        }
        return "\n" + lines.joined(separator: "\n") + "\n"
    }

    /// The rows as one object: each is the object of its run, with the number of workers; and how they scale.
    public func json(_ rows: [Row], processors: Int = ProcessorCount.available) -> JSONValue {
        let objects = zip(rows, Self.efficiencies(rows)).map { row, efficiency -> JSONValue in
            var members = LoadSummary(row.plan, row.result).members
            members.insert(.init("workers", .integer(row.workers)), at: 0)
            let isOver = Self.isOversubscribed(
                workers: row.workers,
                processes: row.plan.processes,
                processors: processors
            )
            members += [
                .init("efficiency", .number(efficiency)),
                .init("oversubscribed", .boolean(isOver)),
                .init("generator_share", Self.generatorShare(of: row).map { .number($0) } ?? .null),
            ]
            return .object(members)
        }
        return [
            "command": .string(command), "processors": .integer(processors), "rows": .array(objects),
            "scaling": Self.fit(rows).map(Self.json) ?? .null,
        ]
    }

    private static func json(_ fit: ScalingFit) -> JSONValue {
        [
            "single_requests_per_second": .number(fit.single), "contention": .number(fit.contention),
            "coherency": .number(fit.coherency), "r2": .number(fit.determination),
            "peak_workers": fit.peak.map { .number($0) } ?? .null,
        ]
    }
}
