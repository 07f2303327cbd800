// The search for the highest rate: against every server that has one, and against servers that cannot make up their minds. Pure.
import Testing

@testable import SporkLoad

@Suite struct RateSearchTests {
    /// Runs a search against a server that holds what `answer` says; the rates that were tried and the outcome.
    private static func run(
        _ search: RateSearch,
        _ answer: (Double, Int) -> RateSearch.Measurement
    ) -> (rates: [Double], outcome: RateSearch.Outcome) {
        var search = search
        var rates: [Double] = []
        var action = search.first
        while case .measure(let rate) = action {
            rates.append(rate)
            precondition(rates.count < 1000, "it does not end")
            action = search.on(answer(rate, rates.count))
        }
        guard case .finish(let outcome) = action else { preconditionFailure("it has ended") }
        return (rates, outcome)
    }

    @Test("a server's limit is found within the precision, from wherever the search begins")
    func limits() {
        for exponent in 0..<60 {
            let limit = 1.1 * pow2(exponent, of: 3)
            for start in [1.0, 100, 5000, 900_000] {
                let found = Self.run(RateSearch(start: start)) { rate, _ in rate <= limit ? .held : .missed }
                guard limit < 1_000_000 else {
                    #expect(found.outcome == .limit(1_000_000))
                    continue
                }
                guard case .found(let rate) = found.outcome else {
                    Issue.record("\(limit) from \(start): \(found.outcome)")
                    continue
                }
                #expect(rate <= limit && rate * 1.05 >= limit / 1.05)
                #expect(found.rates.count < 40)
                // Measured twice, the second time at the very end.
                #expect(found.rates.count { $0 == rate } == 2 && found.rates.last == rate)
            }
        }
    }

    // The third root of two to the power of so many.
    private func pow2(_ exponent: Int, of root: Int) -> Double {
        let roots = [1, 1.259921, 1.587401]
        return roots[exponent % root] * Double(1 << (exponent / root))
    }

    @Test("where not even the lowest rate holds, that is said")
    func nothing() {
        #expect(Self.run(RateSearch(start: 1000)) { _, _ in .missed }.outcome == .nothingHolds)
        #expect(Self.run(RateSearch(start: 1)) { _, _ in .missed }.outcome == .nothingHolds)
    }

    @Test("it stops when the generator is the limit, with what held before")
    func generator() {
        let found = Self.run(RateSearch(start: 100)) { rate, _ in rate > 500 ? .generatorBound : .held }
        #expect(found.outcome == .generatorBound(400) && found.rates == [100, 200, 400, 800])
        #expect(Self.run(RateSearch(start: 100)) { _, _ in .generatorBound }.outcome == .generatorBound(nil))
    }

    @Test("a rate that holds once and not again is not the answer")
    func unconfirmed() {
        var tries: [Double: Int] = [:]
        let found = Self.run(RateSearch(start: 100)) { rate, _ in
            tries[rate, default: 0] += 1
            // Between 700 and 1000 it holds by chance, the first time only.
            return rate <= 700 || (rate < 1000 && tries[rate] == 1) ? .held : .missed
        }
        guard case .found(let rate) = found.outcome else {
            Issue.record("\(found.outcome)")
            return
        }
        #expect(rate <= 700 && rate > 600 && tries[rate] == 2 && found.rates.count < 20)
    }

    @Test("whatever a server does, it ends, and what it says it has found has held twice", arguments: 0..<500)
    func chance(seed: Int) {
        var random = SplitMix(state: UInt64(seed))
        var held: [Double: Int] = [:]
        let found = Self.run(RateSearch(start: 100, mostWindows: 30)) { rate, _ in
            let measurement: RateSearch.Measurement = random.next() % 3 == 0 ? .missed : .held
            if measurement == .held { held[rate, default: 0] += 1 }
            return measurement
        }
        #expect(found.rates.count <= 30)
        #expect(found.rates.allSatisfy { (1...1_000_000).contains($0) })
        if case .found(let rate) = found.outcome { #expect(held[rate, default: 0] >= 2) }
        if case .limit(let rate) = found.outcome { #expect(rate == 1_000_000) }
    }

    @Test("the number of windows is bounded")
    func windows() {
        let found = Self.run(RateSearch(start: 1, mostWindows: 5)) { _, _ in .held }
        #expect(found.outcome == .windowsExhausted(16) && found.rates.count == 5)
    }
}
