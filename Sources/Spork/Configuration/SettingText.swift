// How values are written on the command line, in the environment and in a configuration file: lengths of time, amounts of memory, processors.
// Pure; each reading has its writing.
import SporkPrefork

/// The text forms of values.
package nonisolated enum SettingText {
    private static let units: [(suffix: String, milliseconds: Double)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("", 1000),
    ]

    /// A length of time: 30s, 500ms, 2m, 1h, or a bare number of seconds; nil when it is none.
    package static func duration(_ text: String) -> Duration? {
        guard let unit = units.first(where: { text.hasSuffix($0.suffix) }) else { return nil }
        let number = text.dropLast(unit.suffix.count)
        // Digits with at most one point between them: no signs, no exponents, no infinity.
        let isPlain = number.utf8.allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: ".")
        }
        guard isPlain, let first = number.first, first != ".", number.last != ".", let value = Double(number) else {
            return nil
        }
        let milliseconds = value * unit.milliseconds
        // A year is longer than anything here may take, and short enough for every clock.
        guard milliseconds <= 366 * 24 * 3_600_000 else { return nil }
        // Shorter than what can be written again is none.
        guard milliseconds == 0 || milliseconds >= 1 else { return nil }
        return .milliseconds(milliseconds.rounded())
    }

    /// A length of time as it is written: whole seconds or milliseconds.
    package static func text(of duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        return attoseconds == 0 ? "\(seconds)s" : "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000)ms"
    }

    private static let sizes: [(suffix: String, shift: Int)] = [("K", 10), ("M", 20), ("G", 30), ("", 0)]

    /// An amount of memory: 300M, 2G, 64K, or a bare number of bytes; nil when it is none, or nothing.
    package static func bytes(_ text: String) -> Int? {
        let text = text.uppercased()
        guard let unit = sizes.first(where: { text.hasSuffix($0.suffix) }),
            let number = Int(text.dropLast(unit.suffix.count)), number > 0, number <= (1 << 50) >> unit.shift
        else { return nil }
        return number << unit.shift
    }

    /// An amount of memory as it is written, in the largest unit that it is a whole number of.
    package static func text(ofBytes bytes: Int) -> String {
        for unit in sizes.dropLast().reversed() where bytes % (1 << unit.shift) == 0 {
            return "\(bytes >> unit.shift)\(unit.suffix)"
        }
        return "\(bytes)"
    }

    /// More are a mistake: the system counts no further.
    private static let mostProcessors = 1024

    /// Processors: `auto`, or numbers and ranges such as 0,2-3, or `off`; nil when it is none of these.
    package static func affinity(_ text: String) -> ServerSettings.Affinity? {
        if text == "off" { return ServerSettings.Affinity.none }
        if text == "auto" { return .oneEach }
        var numbers: [Int] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let bounds = part.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
                .map { $0.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int($0) : nil }
            guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, first <= last, last < mostProcessors
            else { return nil }
            numbers += first...last
        }
        return .processors(numbers)
    }

    /// Processors as they are written.
    package static func text(of affinity: ServerSettings.Affinity) -> String {
        switch affinity {
        case .none: "off"
        case .oneEach: "auto"
        case .processors(let numbers): numbers.map { "\($0)" }.joined(separator: ",")
        }
    }

    /// Yes or no; nil when it is neither.
    package static func truth(_ text: String) -> Bool? {
        switch text {
        case "true", "yes", "on": true
        case "false", "no", "off": false
        default: nil
        }
    }
}
