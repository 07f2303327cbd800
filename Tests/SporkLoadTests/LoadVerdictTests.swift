// The verdict's rules, each at its edge, and the JSON that carries it: pure.
import Testing

@testable import SporkLoad

@Suite struct LoadVerdictTests {
    private static func word(_ change: (inout LoadVerdict.Evidence) -> Void) -> LoadVerdict.Word {
        var evidence = LoadVerdict.Evidence()
        (evidence.answers, evidence.connections, evidence.served) = (1000, 10, 10)
        (evidence.wanted, evidence.occupied, evidence.demand) = (10, 10, 0.5)
        (evidence.lag, evidence.latency) = (50_000, 2_000_000)
        change(&evidence)
        let verdict = LoadVerdict(evidence)
        #expect(verdict.reason.isEmpty == (verdict.word == .valid))
        return verdict.word
    }

    @Test("without a flaw it is valid")
    func valid() { #expect(Self.word { _ in } == .valid) }

    @Test("any error, no answer, and a dead process are errors")
    func errors() {
        #expect(Self.word { $0.errors = 1 } == .errors)
        #expect(Self.word { $0.answers = 0 } == .errors)
        #expect(Self.word { $0.lostProcesses = 1 } == .errors)
    }

    @Test("a process that has nothing left is the limit", arguments: [(0.9, false), (0.901, true), (1.0, true)])
    func demand(share: Double, isBound: Bool) {
        #expect(Self.word { $0.demand = share } == (isBound ? .generatorBound : .valid))
    }

    @Test(
        "lag counts when it is large by itself and beside the latency",
        arguments: [
            (1_000_000.0, 2_000_000.0, false), (1_000_001, 2_000_000, true), (2_000_000, 20_000_000, false),
            (2_000_001, 20_000_000, true), (900_000, 900_000, false),
        ]
    )
    func lag(lag: Double, latency: Double, isBound: Bool) {
        #expect(Self.word { ($0.lag, $0.latency) = (lag, latency) } == (isBound ? .generatorBound : .valid))
    }

    @Test("connections without an answer, and requests that are not out, starve a closed loop")
    func starved() {
        #expect(Self.word { $0.served = 9 } == .starved)
        #expect(Self.word { $0.occupied = 8 } == .valid)
        #expect(Self.word { $0.occupied = 7.9 } == .starved)
        #expect(Self.word { ($0.wanted, $0.occupied) = (160, 143) } == .valid)
        #expect(Self.word { ($0.wanted, $0.occupied) = (160, 142.9) } == .starved)
        #expect(Self.word { ($0.connections, $0.served, $0.wanted, $0.occupied) = (1, 1, 1, 0.1) } == .valid)
    }

    @Test("requests that were not sent in time starve an open loop; idle connections do not")
    func unsent() {
        #expect(Self.word { ($0.scheduled, $0.sent, $0.occupied, $0.served) = (1000, 990, 0.1, 3) } == .valid)
        #expect(Self.word { ($0.scheduled, $0.sent) = (1000, 989) } == .starved)
    }

    @Test("the worst word is said")
    func order() {
        #expect(Self.word { ($0.errors, $0.demand, $0.served) = (1, 1, 0) } == .errors)
        #expect(Self.word { ($0.demand, $0.served) = (1, 0) } == .generatorBound)
    }
}

@Suite struct JSONValueTests {
    @Test("values are written as RFC 8259 has them")
    func text() {
        let value: JSONValue = [
            "a\"\\\n\u{1}ü": .array([.integer(1), .number(1.5), .number(0.00001234), .number(.infinity), .null]),
            "b": .boolean(true),
            "c": .object([]), "d": .array([]),
        ]
        let expected = """
            {
              "a\\"\\\\\\n\\u0001ü": [
                1,
                1.5,
                1.234e-05,
                null,
                null
              ],
              "b": true,
              "c": {},
              "d": []
            }

            """
        #expect(value.text == expected)
    }

    @Test("the scheduler's times are the first two numbers")
    func scheduler() {
        let times = SchedulerTimes(text: "123 45 6\n")
        #expect(times?.running == 123 && times?.waiting == 45)
        #expect(SchedulerTimes(text: "123") == nil && SchedulerTimes(text: "") == nil)
        #expect(SchedulerTimes.own.running > 0)
    }
}
