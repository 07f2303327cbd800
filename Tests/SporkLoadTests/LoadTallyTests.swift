// Counts: that they survive the pipe, add up, and that a report of them says what was counted.
import Histogram
import Testing

@testable import SporkLoad

@Suite struct LoadTallyTests {
    private static func tally(latencies: [UInt64]) -> LoadTally {
        var tally = LoadTally()
        for latency in latencies { tally.latencies.record(latency) }
        tally.responses = latencies.count
        tally.responsesInTime = latencies.count - 1
        tally.bytesRead = latencies.count * 100
        tally.unsuccessful = 2
        tally.count(.timeout)
        tally.count(.read)
        tally.count(.read)
        return tally
    }

    @Test("what is read is what was written")
    func roundTrip() throws {
        let tally = Self.tally(latencies: [1, 999, 100_000, 100_000, 5_000_000_000])
        let copy = try #require(LoadTally(encoded: tally.encoded))
        #expect(copy.encoded == tally.encoded)
        #expect(copy.responses == 5 && copy.responsesInTime == 4 && copy.bytesRead == 500 && copy.unsuccessful == 2)
        #expect(copy.count(of: .read) == 2 && copy.count(of: .timeout) == 1 && copy.count(of: .connect) == 0)
        #expect(copy.latencies.totalCount == 5)
    }

    @Test("a message that ends early is none, wherever it ends")
    func truncated() {
        let whole = Self.tally(latencies: [1, 999, 100_000]).encoded
        #expect(LoadTally(encoded: whole) != nil)
        for count in whole.indices { #expect(LoadTally(encoded: Array(whole.prefix(count))) == nil) }
    }

    @Test("more than a message is none")
    func longer() {
        #expect(LoadTally(encoded: LoadTally().encoded + [5]) == nil)
    }

    @Test("of what does not add up the largest counts")
    func maxima() {
        var (one, other) = (LoadTally(), LoadTally())
        (one.elapsed, one.demand, one.connecting, one.servedConnections) = (10, 7, 3, 2)
        (other.elapsed, other.demand, other.connecting, other.servedConnections) = (9, 8, 4, 1)
        one.add(other)
        #expect(one.elapsed == 10 && one.demand == 8 && one.connecting == 7 && one.servedConnections == 3)
    }

    @Test("tallies add up as if one had counted it all")
    func sum() {
        let (left, right): ([UInt64], [UInt64]) = ([10, 2000, 300_000], [7, 2000, 9_000_000])
        var sum = Self.tally(latencies: left)
        sum.add(Self.tally(latencies: right))
        let whole = Self.tally(latencies: left + right)
        #expect(sum.responses == 6 && sum.failureCount == 6 && sum.unsuccessful == 4)
        for percentile in [1.0, 25, 50, 75, 90, 99, 100] {
            #expect(sum.latencies.valueAtPercentile(percentile) == whole.latencies.valueAtPercentile(percentile))
        }
    }

    private static func summary(_ tally: LoadTally, lost: Int = 0, interrupted: Bool = false) throws -> String {
        let target = try LoadTarget(url: "http://127.0.0.1:1/")
        let plan = LoadPlan(target: target, connections: 2, processes: 1, duration: .seconds(2))
        let result = LoadRun.Result(
            tally: tally,
            seconds: 2,
            userSeconds: 0.5,
            systemSeconds: 0.5,
            rates: [2, 2],
            isInterrupted: interrupted,
            lostProcesses: lost
        )
        return LoadSummary(plan, result).text
    }

    @Test("the report says what was counted, and what went wrong only where something did")
    func report() throws {
        let clean = {
            var tally = LoadTally(); tally.responses = 8; tally.responsesInTime = 8; tally.bytesRead = 4096;
            return tally
        }()
        let text = try Self.summary(clean)
        #expect(text.contains("  8 requests in 2.00s, 4.00KB read\n"))
        #expect(text.contains("Requests/sec:       4.00\n"))
        #expect(text.contains("Transfer/sec:       2.00KB\n"))
        #expect(text.contains("Generator CPU: 50% of 1 core, 125000.00 us a request (user 0.50 s, system 0.50 s)\n"))
        #expect(!text.contains("errors") && !text.contains("Non-2xx"))
        let bad = try Self.summary(Self.tally(latencies: [1, 2, 3]), lost: 1, interrupted: true)
        #expect(bad.contains("  Socket errors: connect 0, tls 0, read 2, write 0, timeout 1, malformed 0\n"))
        #expect(bad.contains("  Non-2xx or 3xx responses: 2\n"))
        #expect(bad.contains("Interrupted"))
        #expect(bad.contains("died"))
        #expect(try !Self.summary(LoadTally()).isEmpty)
    }
}

@Suite struct SweepTests {
    @Test("placeholders are filled wherever they stand")
    func placeholders() {
        #expect(LoadSweep.fill("a {port} {workers}{port}", workers: 3, port: 80) == "a 80 380")
        #expect(LoadSweep.fill("{wor{workers}", workers: 3, port: 80) == "{wor3")
        #expect(LoadSweep.fill("plain", workers: 3, port: 80) == "plain")
    }
}
