// Results as one page that needs nothing else: style and plots are in it, no script, nothing is loaded. It fits a telephone and follows
// the reader's choice of dark or light. Pure text.
import Glibc
import Histogram
import SporkPrefork

/// Text in HTML.
enum HTMLText {
    /// The text with everything replaced that would mean something.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// A table; numbers stand at the right.
    static func table(_ heading: [String], _ rows: [[String]]) -> String {
        func row(_ cells: [String], _ tag: String) -> String {
            "<tr>" + cells.map { "<\(tag)>\(escaped($0))</\(tag)>" }.joined() + "</tr>\n"
        }
        return "<div class=\"table\"><table>\n" + row(heading, "th") + rows.map { row($0, "td") }.joined()
            + "</table></div>\n"
    }
}

/// Pages about results.
public enum HTMLReport {
    /// A run's page.
    public static func page(of summary: LoadSummary) -> String {
        let result = summary.result
        var body = badge(summary.verdict) + facts(of: summary)
        body +=
            "<div class=\"plots\">\n" + distribution([("latency", result.tally.latencies)])
            + timeline(result.timeline) + "</div>\n"
        body += "<h2>Report</h2>\n<pre>\(HTMLText.escaped(summary.text))</pre>\n"
        return page("Load on \(summary.plan.target.url)", body)
    }

    /// A sweep's page.
    public static func page(of sweep: LoadSweep, _ rows: [LoadSweep.Row]) -> String {
        let processors = ProcessorCount.available
        let measured = rows.map { (x: Double($0.workers), y: LoadSweep.rate(of: $0)) }
        var series = [SVGPlot.Series(name: "measured", points: measured, isDots: true)]
        if let fit = LoadSweep.fit(rows), let most = rows.map(\.workers).max() {
            let steps = (0...40).map { 1 + Double(max(most, 2) - 1) * Double($0) / 40 }
            series.append(.init(name: "law fitted", points: steps.map { ($0, fit.rate(workers: $0)) }))
        }
        let costs = rows.compactMap { row in
            row.result.server?.microsecondsPerRequest.map { (x: Double(row.workers), y: $0) }
        }
        let ticks = rows.map { SVGPlot.Tick(value: Double($0.workers), label: "\($0.workers)") }
        var scaling = SVGPlot(title: "Scaling", xLabel: "workers", yLabel: "requests/s", series: series, xTicks: ticks)
        scaling.yText = { LoadText.short($0) }
        let cost = SVGPlot(
            title: "Server CPU",
            xLabel: "workers",
            yLabel: "µs a request",
            series: [.init(name: "CPU", points: costs)],
            xTicks: ticks
        )
        let cells = zip(rows, LoadSweep.efficiencies(rows)).map { row, efficiency -> [String] in
            let isOver = LoadSweep.isOversubscribed(
                workers: row.workers,
                processes: row.plan.processes,
                processors: processors
            )
            return [
                "\(row.workers)", LoadText.fixed(LoadSweep.rate(of: row), 0), LoadText.fixed(efficiency, 2),
                row.result.server?.microsecondsPerRequest.map { LoadText.fixed($0, 1) } ?? "-",
                LoadSweep.generatorShare(of: row).map { LoadText.fixed($0 * 100, 0) + "%" } ?? "-",
                isOver ? "oversubscribed" : "",
            ]
        }
        let heading = ["workers", "requests/s", "efficiency", "server µs/request", "generator's CPU", ""]
        let body =
            "<p><code>\(HTMLText.escaped(sweep.command))</code></p>\n<div class=\"plots\">\n" + scaling.figure
            + cost.figure
            + distribution(
                rows.map { ($0.workers == 1 ? "1 worker" : "\($0.workers) workers", $0.result.tally.latencies) }
            )
            + "</div>\n" + HTMLText.table(heading, cells)
            + "<pre>\(HTMLText.escaped(sweep.scalingText(rows)))</pre>\n"
        return page("Numbers of workers", body)
    }

    /// A comparison's page.
    public static func page(of result: LoadComparison.Result) -> String {
        func ranges(_ title: String, _ quantity: LoadComparison.Result.Quantity) -> String {
            var rows: [SVGRanges.Row] = []
            func add(_ label: String, _ finding: LoadComparison.Result.Finding?, _ style: Int) {
                guard let finding else { return }
                let (low, high) = (finding.interval?.low, finding.interval?.high)
                rows.append(.init(label: label, value: finding.ratio, low: low, high: high, style: style))
            }
            add("A against itself (noise)", result.noise(quantity), 1)
            for index in result.contenders.indices.dropFirst() {
                let letter = LoadComparison.Result.letter(index, of: result.contenders.count)
                add("\(letter) against A", result.finding(index, quantity), 0)
            }
            return SVGRanges(title: title, note: "times A's, 95 % interval", rows: rows).figure
        }
        let rounds = result.contenders.indices.compactMap { index -> SVGPlot.Series? in
            guard let values = result.values(index, .rate) else { return nil }
            let name = LoadComparison.Result.letter(index, of: result.contenders.count)
            return .init(name: name, points: values.enumerated().map { (Double($0.offset + 1), $0.element) })
        }
        var byRound = SVGPlot(title: "Rate by round", xLabel: "round", yLabel: "requests/s", series: rounds)
        byRound.yText = { LoadText.short($0) }
        byRound.xTicks = (0..<result.rounds.count).map { .init(value: Double($0 + 1), label: "\($0 + 1)") }
        let body =
            "<div class=\"plots\">\n" + ranges("Rate", .rate) + ranges("CPU a request", .cost) + byRound.figure
            + "</div>\n<pre>\(HTMLText.escaped(result.sameness + result.text))</pre>\n"
            + "<p>Seed \(result.seed), fixed rate \(LoadText.fixed(result.fixedRate, 0)) requests/s.</p>\n"
        return page("Servers compared", body)
    }

    private static func badge(_ verdict: LoadVerdict) -> String {
        let name = verdict.word == .valid ? "good" : "bad"
        let reason = verdict.reason.isEmpty ? "" : ": " + HTMLText.escaped(verdict.reason)
        return "<p><b class=\"\(name)\">\(verdict.word.rawValue)</b>\(reason)</p>\n"
    }

    private static func facts(of summary: LoadSummary) -> String {
        let (result, latencies) = (summary.result, summary.result.tally.latencies)
        func time(_ percentile: Double) -> String {
            guard latencies.totalCount > 0 else { return "-" }
            return LoadText.time(nanoseconds: Double(latencies.valueAtPercentile(percentile)))
        }
        var facts = [
            ("requests/s", LoadText.fixed(summary.requestsPerSecond, 0)), ("p50", time(50)), ("p99", time(99)),
            ("errors", "\(result.tally.errorCount)"),
        ]
        if let server = result.server {
            facts.append(("server µs/request", server.microsecondsPerRequest.map { LoadText.fixed($0, 1) } ?? "-"))
            facts.append(("server PSS", server.memory.map { LoadText.size(bytes: Double($0.peak)) } ?? "-"))
        }
        return "<dl>" + facts.map { "<div><dt>\($0)</dt><dd>\($1)</dd></div>" }.joined() + "</dl>\n"
    }

    /// Latency by percentile; each nine on the axis has as much room as the one before.
    static func distribution(_ histograms: [(name: String, histogram: Histogram<UInt64>)]) -> String {
        var most = 1.0
        let series = histograms.compactMap { name, histogram -> SVGPlot.Series? in
            guard histogram.totalCount > 0 else { return nil }
            let nines = min(5, log10(Double(histogram.totalCount)))
            most = max(most, nines)
            let points = (0...60).map { step -> (x: Double, y: Double) in
                let x = nines * Double(step) / 60
                return (x, Double(histogram.valueAtPercentile(100 * (1 - pow(10, -x)))) / 1e6)
            }
            return .init(name: name, points: points)
        }
        let marks = [(0.0, "0"), (1, "90%"), (2, "99%"), (3, "99.9%"), (4, "99.99%"), (5, "99.999%")]
        var plot = SVGPlot(title: "Latency by percentile", xLabel: "percentile", yLabel: "ms", series: series)
        plot.xTicks = marks.filter { $0.0 <= most.rounded(.up) }.map { .init(value: $0.0, label: $0.1) }
        return plot.figure
    }

    /// Rows that are shorter are not drawn, in seconds.
    private static let leastSecond = 0.3

    private static func timeline(_ all: [TimelineRow]) -> String {
        // The rest of a second that is the last row has no rate worth drawing.
        let whole = zip(all, [0] + all.map(\.time)).filter { row, start in row.time - start >= leastSecond }
        let (rows, starts) = (whole.map(\.0), whole.map(\.1))
        guard rows.count > 1 else { return "" }
        let rates = zip(rows, starts).map { row, start in
            (x: row.time, y: Double(row.requests) / max(row.time - start, 1e-3))
        }
        var rate = SVGPlot(
            title: "Rate by second",
            xLabel: "seconds",
            yLabel: "requests/s",
            series: [.init(name: "rate", points: rates)]
        )
        rate.yText = { LoadText.short($0) }
        func points(_ value: (TimelineRow) -> Double?) -> [(x: Double, y: Double)] {
            rows.compactMap { row in value(row).map { (row.time, $0) } }
        }
        let latency = SVGPlot(
            title: "Latency by second",
            xLabel: "seconds",
            yLabel: "ms",
            series: [
                .init(name: "p50", points: points { $0.median.map { $0 / 1e6 } }),
                .init(name: "p99", points: points { $0.percentile99.map { $0 / 1e6 } }),
            ]
        )
        let used = zip(rows, starts).compactMap { row, start in
            row.serverProcessorTime.map { (x: row.time, y: $0 / max(row.time - start, 1e-3)) }
        }
        let cores = SVGPlot(
            title: "Server CPU by second",
            xLabel: "seconds",
            yLabel: "cores",
            series: [.init(name: "CPU", points: used)]
        )
        let memory = SVGPlot(
            title: "Server memory by second",
            xLabel: "seconds",
            yLabel: "MB, PSS",
            series: [.init(name: "PSS", points: points { $0.serverMemory.map { Double($0) / 1_048_576 } })]
        )
        return rate.figure + latency.figure + cores.figure + memory.figure
    }
}
