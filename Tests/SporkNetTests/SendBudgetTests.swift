// The token bucket, with a given clock: compared with a plain count of what went in each stretch of time, for all small cases.
import Testing

@testable import SporkNet

@Suite struct SendBudgetTests {
    @Test("a fresh budget lets a burst go, then one for each interval")
    func burstThenRate() {
        var budget = SendBudget(perSecond: 10, burst: 3)
        let start: Int64 = 5_000_000_000
        #expect(budget.available(at: start) == 3)
        budget.spend(3, at: start)
        #expect(budget.available(at: start) == 0)
        #expect(budget.wait(at: start) == 100_000_000)
        #expect(budget.available(at: start + 99_999_999) == 0)
        #expect(budget.wait(at: start + 99_999_999) == 1)
        #expect(budget.available(at: start + 100_000_000) == 1)
        #expect(budget.wait(at: start + 100_000_000) == 0)
        #expect(budget.available(at: start + 250_000_000) == 2)
        #expect(budget.available(at: start + 300_000_000) == 3)
        // A pause of an hour is worth no more than the burst.
        #expect(budget.available(at: start + 3_600_000_000_000) == 3)
    }

    @Test("nothing is spent by spending nothing, and a clock that stands still or goes back gives nothing")
    func oddClocks() {
        var budget = SendBudget(perSecond: 1000, burst: 2)
        budget.spend(0, at: 100)
        #expect(budget == SendBudget(perSecond: 1000, burst: 2))
        budget.spend(2, at: 10_000_000)
        for _ in 0..<5 { #expect(budget.available(at: 10_000_000) == 0) }
        #expect(budget.available(at: 0) == 0)
        #expect(budget.wait(at: 0) == 11_000_000)
        #expect(budget.available(at: 12_000_000) == 2)
    }

    @Test(
        "a second that cannot be divided evenly is rounded to fewer",
        arguments: [3, 7, 999_999_999, 1_000_000_000, 1]
    )
    func rounding(perSecond: Int) {
        let budget = SendBudget(perSecond: perSecond, burst: 1)
        #expect(budget.interval * Int64(perSecond) >= 1_000_000_000)
        #expect((budget.interval - 1) * Int64(perSecond) < 1_000_000_000)
    }

    @Test("the standard budget is 100 a second, 100 at once")
    func standard() { #expect(SendBudget.standard == SendBudget(perSecond: 100, burst: 100)) }

    // Every way to send or not to send in each of 14 ticks, for small budgets: the bucket must agree with a bucket that is counted in
    // tokens, tick by tick.
    @Test("all patterns of sending agree with a bucket that is counted token by token", arguments: 1...4, 1...3)
    func exhaustive(burst: Int, ticksPerToken: Int) {
        let ticks = 14
        let tick = Int64(1_000_000)
        for pattern in 0..<(1 << ticks) {
            var budget = SendBudget(perSecond: 1000 / ticksPerToken, burst: burst)
            // The rounding of 1000 / 3 is the test's, not the bucket's.
            guard budget.interval % tick == 0 || ticksPerToken == 3 else { return }
            let interval = budget.interval
            var tokens = Int64(burst) * interval
            for step in 0..<ticks {
                let now = 77_000_000 + Int64(step) * tick
                if step > 0 { tokens = min(Int64(burst) * interval, tokens + tick) }
                let expected = Int(tokens / interval)
                guard budget.available(at: now) == expected else {
                    Issue.record("pattern \(pattern), step \(step): \(budget.available(at: now)) for \(expected)")
                    return
                }
                guard budget.wait(at: now) == max(0, interval - tokens) else {
                    Issue.record("pattern \(pattern), step \(step): a wrong wait")
                    return
                }
                if pattern >> step & 1 == 1, expected > 0 {
                    budget.spend(at: now)
                    tokens -= interval
                }
            }
        }
    }

    @Test("whoever sends whenever he may never exceeds burst and rate in any stretch of time", arguments: 0..<200)
    func anyStretch(seed: Int) {
        var random = seed &* 2_654_435_761 &+ 12345
        func next(_ bound: Int) -> Int {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((UInt64(bitPattern: Int64(random)) >> 33) % UInt64(bound))
        }
        let (perSecond, burst) = (1 + next(500), 1 + next(20))
        var budget = SendBudget(perSecond: perSecond, burst: burst)
        var now: Int64 = 0
        var sent: [Int64] = []
        while sent.count < 200 {
            let available = budget.available(at: now)
            if available > 0 {
                let count = 1 + next(available)
                budget.spend(count, at: now)
                sent += repeatElement(now, count: count)
            } else {
                let wait = budget.wait(at: now)
                #expect(wait > 0 && budget.available(at: now + wait) > 0 && budget.available(at: now + wait - 1) == 0)
            }
            now += Int64(next(3) == 0 ? next(200_000_000) : next(3_000_000))
        }
        for first in sent.indices {
            for last in first..<sent.count {
                let allowed = Int64(burst) + (sent[last] - sent[first]) / budget.interval
                guard Int64(last - first + 1) <= allowed else {
                    Issue.record("\(last - first + 1) in \(sent[last] - sent[first]) ns, \(allowed) allowed")
                    return
                }
            }
        }
    }
}
