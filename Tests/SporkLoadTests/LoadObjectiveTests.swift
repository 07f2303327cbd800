// Objectives: how they are read, and measured at their edges. Pure.
import Histogram
import Testing

@testable import SporkLoad

@Suite struct LoadObjectiveTests {
    @Test(
        "clauses are read with their units",
        arguments: [
            ("p99<5ms", LoadObjective.Measure.percentile(99), LoadObjective.Relation.below, 5e6),
            ("p99.9<=250us", .percentile(99.9), .atMost, 250e3), ("max<1s", .maximum, .below, 1e9),
            ("mean < 1.5 ms", .mean, .below, 1.5e6), ("min>10us", .minimum, .above, 10e3),
            ("errors<0.1%", .errorShare, .below, 0.1), ("errors<=0", .errors, .atMost, 0),
            ("rate>=1000", .rate, .atLeast, 1000), ("rate>20k", .rate, .above, 20_000),
            ("p100<1ms", .percentile(100), .below, 1e6),
        ]
    )
    func clauses(text: String, measure: LoadObjective.Measure, relation: LoadObjective.Relation, bound: Double) throws {
        let clause = try #require(try LoadObjective(text).clauses.first)
        #expect(clause.measure == measure && clause.relation == relation && abs(clause.bound - bound) < 1e-6)
    }

    @Test("several have commas between them")
    func several() throws {
        #expect(
            try LoadObjective("p99<5ms, errors<0.1%,rate>10").clauses.map(\.text) == [
                "p99<5ms", "errors<0.1%", "rate>10",
            ]
        )
    }

    @Test(
        "what is none is said",
        arguments: [
            "", "p99", "p99<", "p99<5", "p99=5ms", "p101<5ms", "px<5ms", "<5ms", "errors<x%", "errors<5ms", "rate<5ms",
            "p99<5ms,", "p99<-1ms", "p99<1e3ms", "p99<.5ms", "q50<1ms", "p99<5m",
        ]
    )
    func none(text: String) {
        #expect(throws: LoadObjective.Failure.self) { try LoadObjective(text) }
    }

    private static func finding(_ text: String, _ tally: LoadTally, rate: Double = 0) throws -> LoadObjective.Finding {
        var result = LoadRun.Result()
        result.tally = tally
        return try #require(try LoadObjective(text).findings(in: result, requestsPerSecond: rate).first)
    }

    @Test("of an open loop what was never sent is among the errors' part; a process that died misses everything")
    func unsent() throws {
        var tally = LoadTally()
        tally.latencies.record(1000)
        (tally.scheduled, tally.responses, tally.unsent) = (1000, 100, 900)
        let share = try Self.finding("errors<1%", tally)
        #expect(share.value == 90 && !share.isMet)
        var result = LoadRun.Result()
        (result.tally, result.lostProcesses) = (tally, 1)
        for text in ["p99<1s", "errors<100%", "errors<10", "rate>=0"] {
            let finding = try #require(try LoadObjective(text).findings(in: result, requestsPerSecond: 1).first)
            #expect(!finding.isMet && finding.value == nil)
        }
    }

    @Test("a rate holds only when nothing went wrong, unless a clause says how much may")
    func holds() throws {
        var result = LoadRun.Result()
        result.tally.latencies.record(1000)
        (result.tally.scheduled, result.tally.sent, result.tally.responses) = (100, 100, 100)
        func holds(_ text: String) throws -> Bool {
            let findings = try LoadObjective(text).findings(in: result, requestsPerSecond: 1)
            return LoadSearch.holds(result, findings)
        }
        #expect(try holds("p99<1s"))
        result.tally.unsuccessful = 1
        #expect(try !holds("p99<1s"))
        #expect(try holds("p99<1s,errors<=1%"))
        #expect(try holds("p99<1s,errors<=1"))
        #expect(try !holds("p99<1s,errors<1%"))
        (result.tally.unsuccessful, result.lostProcesses) = (0, 1)
        #expect(try !holds("p99<1s"))
    }

    @Test("each is measured in the counts")
    func measured() throws {
        var tally = LoadTally()
        for value in 1...1000 { tally.latencies.record(UInt64(value) * 1000) }
        (tally.responses, tally.unsuccessful) = (999, 1)
        tally.count(.timeout)
        #expect(try Self.finding("p99<1ms", tally).isMet)
        #expect(try !Self.finding("p99<900us", tally).isMet)
        let share = try Self.finding("errors<0.2%", tally)
        #expect(share.value == 0.2 && !share.isMet && share.valueText == "0.200%")
        #expect(try Self.finding("errors<=2", tally).isMet)
        #expect(try !Self.finding("errors<2", tally).isMet)
        #expect(try Self.finding("rate>=10", tally, rate: 10).isMet)
        #expect(try !Self.finding("rate>10", tally, rate: 10).isMet)
    }

    @Test("where nothing was answered there is nothing to measure, and that misses it")
    func nothing() throws {
        for text in ["p99<1s", "max<1s", "errors<100%", "mean>0us"] {
            let finding = try Self.finding(text, LoadTally())
            #expect(finding.value == nil && !finding.isMet && finding.valueText == "nothing")
        }
    }
}
