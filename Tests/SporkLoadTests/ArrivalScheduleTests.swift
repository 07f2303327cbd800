// The schedules of an open loop, to the nanosecond: pure.
import Testing

@testable import SporkLoad

@Suite struct ArrivalScheduleTests {
    private static let second: UInt64 = 1_000_000_000

    private static func all(_ schedule: ArrivalSchedule, processes: Int = 1) -> [UInt64] {
        (0..<processes).flatMap { Array(schedule.arrivals(of: $0, among: processes)) }.sorted()
    }

    @Test(
        "constant: as many as rate times duration, each at its own moment, however many processes",
        arguments: [1.0, 3, 7, 1000, 20_000, 0.5],
        [1, 2, 3, 8]
    )
    func constant(rate: Double, processes: Int) {
        let schedule = ArrivalSchedule(rate: rate, shape: .constant, duration: 4 * Self.second)
        let moments = Self.all(schedule, processes: processes)
        #expect(moments.count == Int(rate * 4))
        for (index, moment) in moments.enumerated() where moment != UInt64(Double(index) * 1e9 / rate) {
            Issue.record("request \(index) is due at \(moment)")
        }
    }

    @Test("no rounding adds up: an hour of a rate that has no end in binary")
    func hour() throws {
        let schedule = ArrivalSchedule(rate: 3, shape: .constant, duration: 3600 * Self.second)
        #expect(schedule.moment(of: 10_799).map { UInt64($0) } == 3_599_666_666_666)
        #expect(Self.all(schedule).count == 10_800)
    }

    @Test("bursts lie at the moments of their first requests", arguments: [1, 2, 3])
    func burst(processes: Int) {
        let schedule = ArrivalSchedule(rate: 100, shape: .burst(size: 10), duration: Self.second)
        let moments = Self.all(schedule, processes: processes)
        #expect(moments == (0..<100).map { UInt64($0 / 10) * 100_000_000 })
    }

    @Test(
        "a ramp has as many as the area below it, and grows or shrinks throughout",
        arguments: [(0.0, 1000.0), (1000, 0), (500, 1500), (1500, 500), (700, 700)]
    )
    func ramp(start: Double, end: Double) {
        let seconds = 4.0
        let schedule = ArrivalSchedule(rate: start, shape: .ramp(to: end), duration: UInt64(seconds * 1e9))
        #expect(schedule.meanRate == (start + end) / 2)
        let moments = Self.all(schedule)
        #expect(abs(moments.count - Int(schedule.meanRate * seconds)) <= 1)
        #expect(zip(moments, moments.dropFirst()).allSatisfy(<))
        for (index, moment) in moments.enumerated() {
            let time = Double(moment) / 1e9
            // The area until the moment is the request's number; a nanosecond that was cut off shifts it by less than this.
            let area = start * time + (end - start) / seconds * time * time / 2
            if abs(area - Double(index)) > 1e-5 { Issue.record("request \(index) is due at \(moment), area \(area)") }
        }
        let again = Self.all(schedule, processes: 3)
        #expect(again == moments)
    }

    @Test(
        "Poisson: the rate is right, gaps spread as far as they are long, and a seed gives the same again",
        arguments: [1, 4]
    )
    func poisson(processes: Int) {
        let schedule = ArrivalSchedule(rate: 10_000, shape: .poisson(seed: 5), duration: 10 * Self.second)
        let moments = Self.all(schedule, processes: processes)
        // Five standard deviations of the number, which are its root.
        #expect(abs(moments.count - 100_000) < 1600)
        let gaps = zip(moments, moments.dropFirst()).map { Double($1 - $0) }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
        #expect(abs(variance.squareRoot() / mean - 1) < 0.02)
        // A gap above its mean is as likely as 1/e.
        #expect(abs(Double(gaps.count { $0 > mean }) / Double(gaps.count) - 0.3679) < 0.01)
        #expect(moments == Self.all(schedule, processes: processes))
        var other = schedule
        other.shape = .poisson(seed: 6)
        #expect(moments != Self.all(other, processes: processes))
    }

    @Test("processes have streams of their own")
    func streams() {
        let schedule = ArrivalSchedule(rate: 1000, shape: .poisson(seed: 1), duration: Self.second)
        let (one, other) = (Array(schedule.arrivals(of: 0, among: 2)), Array(schedule.arrivals(of: 1, among: 2)))
        #expect(Set(one).intersection(other).count < 3)
    }

    @Test("random numbers are those of the published generator, and the unit is never zero")
    func random() {
        var random = SplitMix(state: 1_234_567)
        #expect(random.next() == 6_457_827_717_110_365_317 && random.next() == 3_203_168_211_198_807_973)
        for _ in 0..<1000 {
            let value = random.unit()
            #expect(value > 0 && value <= 1)
        }
    }
}
