// What values of settings look like: lengths of time, memory, processors.
import SporkPrefork
import Testing

@testable import Spork

@Suite struct SettingTextTests {
    @Test("lengths of time")
    func durations() {
        let cases: [(String, Duration)] = [
            ("30s", .seconds(30)), ("500ms", .milliseconds(500)), ("2m", .seconds(120)), ("1h", .seconds(3600)),
            ("7", .seconds(7)), ("0", .zero), ("1.5s", .milliseconds(1500)), ("0.25", .milliseconds(250)),
        ]
        for (text, duration) in cases { #expect(SettingText.duration(text) == duration, "\(text)") }
    }

    @Test(
        "what is no length of time",
        arguments: [
            "", "s", "ms", "-1s", "+1s", "1 s", "1d", "1e3s", "inf", "nan", "0x10", "1.s", ".5s", "1,5s", "10000h",
            "1sec", "٣s",
        ]
    )
    func noDurations(text: String) { #expect(SettingText.duration(text) == nil) }

    @Test("lengths are shown as they are written")
    func shown() {
        #expect(SettingText.text(of: .seconds(30)) == "30s")
        #expect(SettingText.text(of: .milliseconds(1500)) == "1500ms")
    }

    @Test("memory, there and back")
    func memory() {
        let cases = [("300M", 300 << 20), ("2g", 2 << 30), ("64K", 65536), ("65537", 65537)]
        for (text, bytes) in cases {
            #expect(SettingText.bytes(text) == bytes, "\(text)")
            #expect(SettingText.bytes(SettingText.text(ofBytes: bytes)) == bytes)
        }
        #expect(SettingText.text(ofBytes: 300 << 20) == "300M")
        for text in ["", "M", "-1M", "0", "1T", "1.5G", "99999999999G"] {
            #expect(SettingText.bytes(text) == nil, "\(text)")
        }
    }

    @Test("processors, there and back")
    func processors() {
        #expect(SettingText.affinity("auto") == .oneEach)
        #expect(SettingText.affinity("off") == ServerSettings.Affinity.none)
        #expect(SettingText.affinity("0,2-4") == .processors([0, 2, 3, 4]))
        #expect(SettingText.text(of: .processors([0, 2, 3, 4])) == "0,2,3,4")
        for text in ["", ",", "1,", "3-1", "-1", "a", "0-9999", "1--2", "0--0", "+1", "0-+1"] {
            #expect(SettingText.affinity(text) == nil, "\(text)")
        }
    }
}
