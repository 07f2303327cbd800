// Statistics on made-up numbers whose answers are known.
import Glibc
import Testing

@testable import SporkLoad

@Suite struct ScalingFitTests {
    private static func points(
        _ workers: [Int],
        _ single: Double,
        _ sigma: Double,
        _ kappa: Double
    ) -> [ScalingFit.Point] {
        workers.map {
            let count = Double($0)
            let rate = single * count / (1 + sigma * (count - 1) + kappa * count * (count - 1))
            return .init(workers: count, rate: rate)
        }
    }

    @Test(
        "points that follow the law give its parameters back",
        arguments: [(1000.0, 0.05, 0.002), (40_000, 0.2, 0.0), (7, 0, 0.01), (1e6, 0, 0)]
    )
    func exact(single: Double, sigma: Double, kappa: Double) throws {
        let fit = try #require(ScalingFit(Self.points([1, 2, 3, 4, 8, 16], single, sigma, kappa)))
        #expect(abs(fit.single / single - 1) < 1e-6)
        #expect(abs(fit.contention - sigma) < 1e-6 && abs(fit.coherency - kappa) < 1e-6)
        #expect(fit.determination > 0.999999)
        #expect(abs(fit.rate(workers: 4) / Self.points([4], single, sigma, kappa)[0].rate - 1) < 1e-6)
    }

    @Test("the peak is where one worker more does no more")
    func peak() throws {
        let fit = try #require(ScalingFit(Self.points([1, 2, 4, 8, 16, 32], 1000, 0.05, 0.002)))
        let peak = try #require(fit.peak)
        #expect(abs(peak - (0.95 / 0.002).squareRoot()) < 0.01)
        #expect(fit.rate(workers: peak) > fit.rate(workers: peak * 1.2))
        #expect(try #require(ScalingFit(Self.points([1, 2, 4], 1000, 0.1, 0))).peak == nil)
    }

    @Test("noise of 2 % moves the parameters little")
    func noise() throws {
        var points = Self.points([1, 2, 4, 8, 16], 1000, 0.1, 0.003)
        for (index, factor) in [1.02, 0.98, 1.01, 0.99, 1.02].enumerated() { points[index].rate *= factor }
        let fit = try #require(ScalingFit(points))
        #expect(abs(fit.contention - 0.1) < 0.04 && abs(fit.coherency - 0.003) < 0.003 && fit.determination > 0.97)
    }

    @Test("two numbers of workers give Amdahl's law; better than linear is no negative contention; one number is none")
    func few() throws {
        let amdahl = try #require(ScalingFit(Self.points([1, 4], 100, 0.25, 0)))
        #expect(abs(amdahl.contention - 0.25) < 1e-9 && amdahl.coherency == 0)
        let superlinear = try #require(ScalingFit([.init(workers: 1, rate: 10), .init(workers: 2, rate: 25)]))
        #expect(superlinear.contention == 0 && superlinear.coherency == 0)
        #expect(ScalingFit([.init(workers: 2, rate: 10), .init(workers: 2, rate: 11)]) == nil)
        #expect(ScalingFit([]) == nil && ScalingFit([.init(workers: 1, rate: 0), .init(workers: 2, rate: 0)]) == nil)
    }

    @Test("more processes than processors are marked")
    func oversubscription() {
        #expect(!LoadSweep.isOversubscribed(workers: 1, processes: 1, processors: 2))
        #expect(LoadSweep.isOversubscribed(workers: 2, processes: 1, processors: 2))
    }
}

@Suite struct LoadStatisticsTests {
    @Test("medians and means of ratios")
    func middles() {
        #expect(LoadStatistics.median([3, 1, 2]) == 2 && LoadStatistics.median([4, 1, 2, 3]) == 2.5)
        #expect(LoadStatistics.median([]) == nil && LoadStatistics.geometricMean([]) == nil)
        #expect(abs((LoadStatistics.geometricMean([0.5, 2]) ?? 0) - 1) < 1e-12)
        #expect(LoadStatistics.geometricMean([1, 0]) == nil)
    }

    @Test("an interval holds the mean, is the same for the same seed, and narrow for what varies little")
    func interval() throws {
        let ratios = [1.19, 1.21, 1.2, 1.18, 1.22, 1.2, 1.21, 1.19]
        let interval = try #require(LoadStatistics.interval(ofRatios: ratios, seed: 1))
        #expect(interval.low > 1.18 && interval.low < 1.2 && interval.high > 1.2 && interval.high < 1.22)
        #expect(LoadStatistics.interval(ofRatios: ratios, seed: 1) == interval)
        #expect(LoadStatistics.interval(ofRatios: ratios, seed: 2) != interval)
        #expect(LoadStatistics.interval(ofRatios: [1.2, 1.3], seed: 1) == nil)
        let same = try #require(LoadStatistics.interval(ofRatios: [2, 2, 2], seed: 1))
        #expect(abs(same.low - 2) < 1e-9 && abs(same.high - 2) < 1e-9)
    }

    @Test("nineteen of twenty intervals hold the true ratio, or nearly")
    func coverage() {
        var random = SplitMix(state: 9)
        var hits = 0
        for seed in 0..<400 as Range<UInt64> {
            // The sum of twelve is as good as normal; the true ratio is 1.
            let ratios = (0..<10).map { _ in exp(0.05 * ((0..<12).reduce(0) { sum, _ in sum + random.unit() } - 6)) }
            let interval = LoadStatistics.interval(ofRatios: ratios, seed: seed, resamples: 400)
            if let interval, interval.low <= 1, interval.high >= 1 { hits += 1 }
        }
        #expect((360...396).contains(hits), "\(hits) of 400")
    }

    @Test("a difference is one only when its interval excludes 1 and it is more than noise")
    func findings() {
        typealias Interval = LoadStatistics.Interval
        let quiet = Interval(low: 0.99, high: 1.01)
        #expect(LoadStatistics.finding(ratio: 1.2, interval: .init(low: 1.1, high: 1.3), noise: quiet) == .higher)
        #expect(LoadStatistics.finding(ratio: 0.8, interval: .init(low: 0.7, high: 0.9), noise: quiet) == .lower)
        #expect(LoadStatistics.finding(ratio: 1.2, interval: .init(low: 0.9, high: 1.5), noise: quiet) == .noDifference)
        let loud = Interval(low: 0.8, high: 1.05)
        #expect(LoadStatistics.finding(ratio: 1.2, interval: .init(low: 1.1, high: 1.3), noise: loud) == .noDifference)
        #expect(LoadStatistics.finding(ratio: 1.5, interval: nil, noise: quiet) == .undecided)
    }

    @Test("a line through points")
    func line() throws {
        let line = try #require(LoadStatistics.line([(0, 5), (100, 205), (200, 405)]))
        #expect(line.slope == 2 && line.intercept == 5 && abs(line.determination - 1) < 1e-12)
        #expect(LoadStatistics.line([(1, 5)]) == nil && LoadStatistics.line([(1, 5), (1, 6)]) == nil)
        let flat = try #require(LoadStatistics.line([(0, 5), (1, 5)]))
        #expect(flat.slope == 0 && flat.determination == 1)
    }

    @Test("an order has everybody once, and another seed gives another order")
    func order() {
        var (first, second) = (SplitMix(state: 1), SplitMix(state: 2))
        let orders = (0..<20).map { _ in LoadStatistics.order(5, &first) }
        #expect(orders.allSatisfy { $0.sorted() == [0, 1, 2, 3, 4] })
        #expect(Set(orders).count > 10 && orders != (0..<20).map { _ in LoadStatistics.order(5, &second) })
        // Over many rounds nobody is always first.
        #expect(Set(orders.map { $0[0] }).count == 5)
    }
}

@Suite struct ComparisonTests {
    private static func result(_ rates: [[Double]], errors: Int = 0) -> LoadComparison.Result {
        var result = LoadComparison.Result()
        result.contenders = [.init("a {port}"), .init("b {port}")]
        (result.seed, result.wantedRounds) = (7, rates.count)
        result.rounds = rates.map { $0.map { LoadComparison.Turn(rate: $0, errors: errors, cost: 1e5 / $0) } }
        return result
    }

    @Test("a server that is always a fifth faster is faster, and needs less")
    func faster() {
        let result = Self.result([[100, 120, 101], [90, 109, 91], [110, 131, 109], [100, 121, 100]])
        #expect(result.words(1, .rate)?.hasPrefix("B is faster than A, rate: x 1.20") == true)
        #expect(result.words(1, .cost)?.hasPrefix("B needs less CPU than A, CPU: x 0.83") == true)
        #expect(result.text.contains("A against itself, rate: x 1.0"))
        #expect(result.json["contenders"]?.elements?[1]["rate"]?["ratios"]?.elements?.count == 4)
    }

    @Test("rounds may differ as they like: turns of the same round are compared")
    func paired() {
        let result = Self.result([[100, 90, 100], [1000, 900, 1001], [10, 9, 10], [500, 450, 499]])
        #expect(result.words(1, .rate)?.hasPrefix("B is slower than A") == true)
    }

    @Test("when A is not like itself, little is a difference")
    func noisy() {
        let result = Self.result([[100, 110, 80], [100, 111, 125], [100, 109, 75], [100, 110, 130]])
        #expect(result.words(1, .rate)?.hasPrefix("B and A: no detectable difference") == true)
    }

    @Test("errors are no rates, and two rounds have no interval")
    func refused() {
        let bad = Self.result([[100, 120, 100]], errors: 1)
        #expect(bad.words(1, .rate) == "B and A are not compared: 2 errors" && bad.hasFailed)
        let few = Self.result([[100, 200, 100], [100, 200, 100]])
        #expect(
            few.words(1, .rate) == "B and A: not decided, rate: x 2.000 (too few rounds for an interval)"
        )
        #expect(few.words(1, .rate) != nil && Self.result([]).words(1, .rate) == nil)
    }

    @Test("answers are the same when status and content are")
    func answers() {
        var result = Self.result([])
        let answer = PlainConnection.Answer(
            status: 200,
            bytes: Array("H\r\n\r\nabc".utf8),
            content: Array("abc".utf8)[...]
        )
        let other = PlainConnection.Answer(
            status: 200,
            bytes: Array("HH\r\n\r\nabc".utf8),
            content: Array("abc".utf8)[...]
        )
        result.answers = [answer, other]
        #expect(result.isSame(1) == true && result.sameness.contains("the same content as A"))
        result.answers[1] = .init(status: 200, bytes: Array("HH\r\n\r\nabd".utf8), content: Array("abd".utf8)[...])
        #expect(result.isSame(1) == false && result.sameness.contains("DIFFERENT"))
        result.answers = [answer, nil]
        #expect(result.isSame(1) == nil && result.sameness.contains("NO ANSWER"))
    }
}
