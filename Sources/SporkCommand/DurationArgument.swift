// Lengths of time as people write them on the command line: 30s, 500ms, 2m, 1h, or a bare number of seconds. Pure.
import ArgumentParser

/// A length of time as an argument.
struct DurationArgument: ExpressibleByArgument, Equatable {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        let units: [(suffix: String, milliseconds: Double)] = [
            ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("", 1000),
        ]
        guard let unit = units.first(where: { argument.hasSuffix($0.suffix) }) else { return nil }
        let number = argument.dropLast(unit.suffix.count)
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
        duration = .milliseconds(milliseconds)
    }

    var defaultValueDescription: String {
        let (seconds, attoseconds) = duration.components
        return attoseconds == 0 ? "\(seconds)s" : "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000)ms"
    }
}

/// A length of time that can be switched off: `off` or 0 for none.
struct OptionalDurationArgument: ExpressibleByArgument, Equatable {
    let duration: Duration?

    init(_ duration: Duration?) { self.duration = duration }

    init?(argument: String) {
        if argument == "off" {
            duration = nil
        } else if let limit = DurationArgument(argument: argument)?.duration {
            duration = limit == .zero ? nil : limit
        } else {
            return nil
        }
    }

    var defaultValueDescription: String { duration.map { DurationArgument($0).defaultValueDescription } ?? "off" }
}

/// An amount of memory as an argument: 300M, 2G, 64K, or a bare number of bytes.
struct MemoryArgument: ExpressibleByArgument, Equatable {
    let bytes: Int

    init?(argument: String) {
        let units: [(suffix: String, shift: Int)] = [("K", 10), ("M", 20), ("G", 30), ("", 0)]
        let text = argument.uppercased()
        guard let unit = units.first(where: { text.hasSuffix($0.suffix) }),
            let number = Int(text.dropLast(unit.suffix.count)), number > 0, number <= (1 << 50) >> unit.shift
        else { return nil }
        bytes = number << unit.shift
    }
}

/// Processors as an argument: auto, or numbers and ranges such as 0,2-3.
struct AffinityArgument: ExpressibleByArgument, Equatable {
    /// Nil for one each, of those that the server may use.
    let processors: [Int]?

    /// More are a mistake: the system counts no further.
    static let most = 1024

    init?(argument: String) {
        if argument == "auto" {
            processors = nil
            return
        }
        var numbers: [Int] = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let bounds = part.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map { Int($0) }
            guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, (0...last).contains(first),
                last < Self.most
            else { return nil }
            numbers += first...last
        }
        processors = numbers
    }
}
