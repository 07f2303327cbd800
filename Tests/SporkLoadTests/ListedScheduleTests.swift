// Schedules that are listed: what is read, what is refused, and how several processes share them. Pure.
import Testing

@testable import SporkLoad

@Suite struct ListedScheduleTests {
    @Test("one time a line, in seconds to the nanosecond; comments and empty lines do not count")
    func reading() throws {
        let schedule = try ArrivalSchedule(
            listing: "# times\n0\n0.000000001\r\n\n .5 # half\n1.25\n1.25\n",
            duration: 2_000_000_000
        )
        #expect(schedule.shape == .listed([0, 1, 500_000_000, 1_250_000_000, 1_250_000_000]))
        #expect(schedule.rate == 2.5 && schedule.meanRate == 2.5)
        for processes in 1...3 {
            let moments = (0..<processes).flatMap { Array(schedule.arrivals(of: $0, among: processes)) }.sorted()
            #expect(moments == [0, 1, 500_000_000, 1_250_000_000, 1_250_000_000])
        }
    }

    @Test("it lasts as long as its moments and one interval, or as long as is said, which leaves out what lies behind")
    func duration() throws {
        #expect(try ArrivalSchedule(listing: "0\n0.1\n0.2\n", duration: nil).duration == 300_000_000)
        #expect(try ArrivalSchedule(listing: "3", duration: nil).duration == 4_000_000_000)
        #expect(
            try ArrivalSchedule(listing: "0\n1\n2\n", duration: 2_000_000_000).shape == .listed([0, 1_000_000_000])
        )
    }

    @Test(
        "what is no time, goes back, or is nothing at all is refused with its line",
        arguments: [
            ("", 0), ("# x\n", 0), ("0\nx\n", 2), ("1\n0.5\n", 2), ("-1", 1), ("1e3", 1), ("1.2.3", 1), (".", 1),
            ("99999999999", 1), ("0 1", 1),
        ]
    )
    func refused(text: String, line: Int) {
        do {
            _ = try ArrivalSchedule(listing: text, duration: nil)
            Issue.record("\(text) was taken")
        } catch { #expect(error.line == line) }
    }

    @Test("a warm-up has the rate that comes after it")
    func warmUp() throws {
        let second: UInt64 = 1_000_000_000
        let listed = try ArrivalSchedule(listing: "0\n0.1\n", duration: nil)
        #expect(listed.warmUp(over: second).meanRate == listed.rate)
        let ramp = ArrivalSchedule(rate: 0, shape: .ramp(to: 100), duration: second)
        #expect(ramp.warmUp(over: second).meanRate == 1)
    }
}
