// Arguments that have a form of their own: lengths of time, memory, processors.
import Testing

@testable import SporkCommand

@Suite struct ArgumentTests {
    @Test("lengths of time")
    func durations() {
        let cases: [(String, Duration)] = [
            ("30s", .seconds(30)), ("500ms", .milliseconds(500)), ("2m", .seconds(120)), ("1h", .seconds(3600)),
            ("7", .seconds(7)), ("0", .zero), ("1.5s", .milliseconds(1500)), ("0.25", .milliseconds(250)),
        ]
        for (text, duration) in cases { #expect(DurationArgument(argument: text)?.duration == duration, "\(text)") }
    }

    @Test(
        "what is no length of time",
        arguments: [
            "", "s", "ms", "-1s", "+1s", "1 s", "1d", "1e3s", "inf", "nan", "0x10", "1.s", ".5s", "1,5s", "10000h",
            "1sec", "٣s",
        ]
    )
    func noDurations(text: String) { #expect(DurationArgument(argument: text) == nil) }

    @Test("a length of time that can be switched off")
    func optional() {
        #expect(OptionalDurationArgument(argument: "off") == OptionalDurationArgument(nil))
        #expect(OptionalDurationArgument(argument: "0") == OptionalDurationArgument(nil))
        #expect(OptionalDurationArgument(argument: "2s") == OptionalDurationArgument(.seconds(2)))
        #expect(OptionalDurationArgument(argument: "never") == nil)
    }

    @Test("lengths are shown as they are written")
    func shown() {
        #expect(DurationArgument(.seconds(30)).defaultValueDescription == "30s")
        #expect(DurationArgument(.milliseconds(1500)).defaultValueDescription == "1500ms")
    }

    @Test("memory")
    func memory() {
        #expect(MemoryArgument(argument: "300M")?.bytes == 300 << 20)
        #expect(MemoryArgument(argument: "2g")?.bytes == 2 << 30)
        #expect(MemoryArgument(argument: "65536")?.bytes == 65536)
        for text in ["", "M", "-1M", "0", "1T", "1.5G", "99999999999G"] {
            #expect(MemoryArgument(argument: text) == nil, "\(text)")
        }
    }

    @Test("processors")
    func processors() {
        #expect(AffinityArgument(argument: "auto")?.processors == .some(nil))
        #expect(AffinityArgument(argument: "0,2-4")?.processors == [0, 2, 3, 4])
        for text in ["", ",", "1,", "3-1", "-1", "a", "0-9999"] {
            #expect(AffinityArgument(argument: text) == nil, "\(text)")
        }
    }
}
