// Rows for each second, and the pages that are made of results. Pure, but for memory that is mapped.
import Histogram
import SporkNet
import Testing

@testable import SporkLoad

@Suite struct CoarseLatenciesTests {
    @Test("buckets follow one another, and their middle is at most 1.6 % off")
    func buckets() {
        var last = -1
        for value in Set((0..<44).flatMap { shift -> [UInt64] in [1 << shift, 1 << shift + 1, (3 << shift) >> 1] })
            .sorted()
        {
            let index = CoarseLatencies.index(of: value)
            #expect(index >= last && index < CoarseLatencies.size)
            last = index
            if index < CoarseLatencies.size - 1 {
                #expect(abs(CoarseLatencies.middle(of: index) - Double(value)) <= max(0.5, Double(value) * 0.016))
            }
        }
        #expect(CoarseLatencies.index(of: .max) == CoarseLatencies.size - 1)
    }

    @Test("percentiles, and what came since")
    func percentiles() throws {
        var histogram = LoadTally.emptyHistogram
        for value in 1...1000 as ClosedRange<UInt64> { histogram.record(value * 1000) }
        let first = CoarseLatencies(histogram)
        let median = try #require(first.percentile(50))
        #expect(first.total == 1000 && abs(median / 500_000 - 1) < 0.02)
        for _ in 0..<100 { histogram.record(5_000_000) }
        let since = CoarseLatencies(histogram).since(first)
        let lowest = try #require(since.percentile(1))
        #expect(since.total == 100 && abs(lowest / 5_000_000 - 1) < 0.02)
        #expect(CoarseLatencies().percentile(50) == nil)
        #expect(CoarseLatencies().since(first) == CoarseLatencies(), "counting that was begun anew")
    }
}

@Suite struct LoadTimelineTests {
    private static func count(_ seconds: Double, _ requests: Int) -> LoadTimeline.Count {
        var count = LoadTimeline.Count()
        (count.nanoseconds, count.requests, count.bytes) = (Int(seconds * 1e9), requests, requests * 10)
        count.latencies.counts[100] = UInt64(requests)
        return count
    }

    @Test("a second is there when all processes have written it; one that ended early stays at its last")
    func seconds() throws {
        let timeline = try #require(LoadTimeline(processes: 2))
        #expect(timeline.total(second: 0, isOver: false) == nil)
        timeline.write(Self.count(1, 5), process: 0)
        #expect(timeline.total(second: 0, isOver: false) == nil)
        timeline.write(Self.count(1.1, 7), process: 1)
        #expect(timeline.total(second: 0, isOver: false)?.requests == 12)
        timeline.write(Self.count(2, 10), process: 0)
        #expect(timeline.total(second: 0, isOver: false)?.requests == 12, "the place of the second before is kept")
        #expect(timeline.total(second: 1, isOver: false) == nil)
        #expect(timeline.total(second: 1, isOver: true)?.requests == 17 && timeline.seconds == 2)
    }

    @Test("rows are differences")
    func rows() {
        var rows = TimelineRows()
        rows.add(Self.count(1, 10), (0.5, 100))
        rows.add(Self.count(2, 30), (nil, nil))
        rows.add(Self.count(3, 4), (nil, nil))
        #expect(rows.rows.map(\.requests) == [10, 20, 4] && rows.rows.map(\.bytes) == [100, 200, 40])
        #expect(rows.rows[0].serverMemory == 100 && rows.rows[1].serverMemory == nil)
    }

    @Test("a table has a row for each second, and nothing where nothing is known")
    func csv() throws {
        var result = LoadRun.Result()
        var row = TimelineRow()
        (row.time, row.requests, row.bytes, row.median, row.percentile99) = (1.0, 5, 50, 1500, 2_000_000)
        result.timeline = [row]
        let plan = LoadPlan(
            target: try LoadTarget(url: "http://127.0.0.1/"),
            connections: 1,
            processes: 1,
            duration: .seconds(1)
        )
        let lines = LoadSummary(plan, result).csv.split(separator: "\r\n", omittingEmptySubsequences: false)
        #expect(lines.count == 3 && lines[0].split(separator: ",").count == 8)
        #expect(lines[1] == "1.000,5,0,50,1.500,2000.000,," && lines[2] == "")
    }
}

@Suite struct HTMLReportTests {
    @Test("marks are round numbers that hold the largest", arguments: [0.4, 1, 3, 7, 12_000, 99, 0.013, 1e7])
    func ticks(most: Double) {
        let ticks = SVGPlot.ticks(to: most)
        #expect(ticks.count >= 3 && ticks.count <= 7 && ticks[0] == 0 && ticks[ticks.count - 1] >= most * 0.999)
        #expect(ticks.allSatisfy { LoadText.short($0).count <= 5 }, "\(ticks)")
    }

    @Test("without points there is no plot")
    func empty() {
        #expect(SVGPlot(title: "t", xLabel: "x", yLabel: "y", series: []).figure == "")
        #expect(SVGPlot.ticks(to: 0) == [0, 1])
    }

    @Test("a page needs nothing else, and what is shown is text")
    func page() throws {
        let target = try LoadTarget(url: "http://127.0.0.1/<script>\"&")
        let plan = LoadPlan(target: target, connections: 1, processes: 1, duration: .seconds(1))
        var result = LoadRun.Result()
        for value in 1...500 as ClosedRange<UInt64> { result.tally.latencies.record(value * 1000) }
        (result.tally.responses, result.seconds) = (500, 1)
        let page = HTMLReport.page(of: LoadSummary(plan, result))
        #expect(page.contains("&lt;script&gt;&quot;&amp;") && !page.contains("<script"))
        #expect(
            page.contains("<polyline") && page.contains("width=device-width") && page.contains("prefers-color-scheme")
        )
        for resource in ["src=", "href=", "url(", "@import", "<link"] { #expect(!page.contains(resource)) }
    }
}
