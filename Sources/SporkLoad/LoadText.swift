// Numbers as people read them, in wrk's units. Pure, and without Foundation's formatting.

/// Formats numbers for reports.
nonisolated enum LoadText {
    /// A number with so many digits behind the point.
    static func fixed(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return "-" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (abs(value) * scale).rounded()
        // Numbers this large have no digits behind the point that mean anything.
        guard scaled < 9e15 else { return "\(value)" }
        let sign = value < 0 && scaled > 0 ? "-" : ""
        let whole = Int(scaled)
        if digits == 0 { return sign + String(whole) }
        let divisor = Int(scale)
        let fraction = String(whole % divisor)
        return sign + "\(whole / divisor)." + String(repeating: "0", count: digits - fraction.count) + fraction
    }

    /// A count on an axis: "0", "2.5k", "1M".
    static func short(_ value: Double) -> String {
        switch abs(value) {
        case 1e6...: number(value / 1e6) + "M"
        case 1e3...: number(value / 1e3) + "k"
        default: number(value)
        }
    }

    /// A number with the digits that it has: "20000", "0.5".
    static func number(_ value: Double) -> String {
        value == value.rounded() ? fixed(value, 0) : "\(value)"
    }

    /// A latency: "635.91us", "12.92ms", "1.20s".
    static func time(nanoseconds: Double) -> String {
        switch nanoseconds {
        case ..<1e6: fixed(nanoseconds / 1e3, 2) + "us"
        case ..<1e9: fixed(nanoseconds / 1e6, 2) + "ms"
        default: fixed(nanoseconds / 1e9, 2) + "s"
        }
    }

    /// A size in binary units: "17.76GB".
    static func size(bytes: Double) -> String {
        scaled(bytes, by: 1024, units: ["B", "KB", "MB", "GB", "TB"])
    }

    /// A count: "56.20k".
    static func count(_ value: Double) -> String {
        scaled(value, by: 1000, units: ["", "k", "M", "G"])
    }

    private static func scaled(_ value: Double, by step: Double, units: [String]) -> String {
        var (value, index) = (value, 0)
        while value >= step, index < units.count - 1 { (value, index) = (value / step, index + 1) }
        return fixed(value, 2) + units[index]
    }

    /// A duration as it is typed: "10s", "500ms", "2m".
    static func duration(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        if attoseconds != 0 { return "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000)ms" }
        return seconds >= 60 && seconds.isMultiple(of: 60) ? "\(seconds / 60)m" : "\(seconds)s"
    }

    /// The text at the right end of so many columns.
    static func right(_ text: String, _ columns: Int) -> String {
        String(repeating: " ", count: max(0, columns - text.count)) + text
    }
}
