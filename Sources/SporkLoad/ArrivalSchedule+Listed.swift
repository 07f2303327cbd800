// A schedule from a text: one moment a line, in seconds from the start. Pure; the command line reads the file.

nonisolated extension ArrivalSchedule {
    /// Why a text is no schedule.
    public struct ListError: Error, Equatable, CustomStringConvertible {
        /// The line, from 1; 0 when it is about the whole.
        public var line: Int
        /// What is wrong with it.
        public var reason: String

        /// One line.
        public var description: String { line == 0 ? reason : "line \(line): \(reason)" }
    }

    /// Reads moments, one a line in seconds with up to nine digits behind the point, in order; equal ones are due at once.
    ///
    /// Empty lines, and what follows a #, do not count. Costs eight bytes a moment.
    ///
    /// - Parameter duration: how long the schedule lasts, in nanoseconds; what lies behind it is left out. Nil for as long as its
    ///   moments, and one mean interval more: a thousand moments within a second are then a thousand a second.
    public init(listing text: String, duration: UInt64?) throws(ListError) {
        var moments: [UInt64] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let fields = line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" }
            guard !fields.isEmpty else { continue }
            let field = fields.joined(separator: " ")
            guard let moment = Self.nanoseconds(field) else {
                throw ListError(line: index + 1, reason: "\(field) is not a time in seconds")
            }
            if let last = moments.last, moment < last {
                throw ListError(line: index + 1, reason: "\(field) lies before the line above it")
            }
            moments.append(moment)
        }
        guard let last = moments.last else { throw ListError(line: 0, reason: "there is no time in it") }
        let natural = last + max(1, moments.count > 1 ? last / UInt64(moments.count - 1) : 1_000_000_000)
        let length = duration ?? natural
        moments.removeAll { $0 >= length }
        self.init(rate: Double(moments.count) * 1e9 / Double(length), shape: .listed(moments), duration: length)
    }

    /// Digits with at most one point; nil for what is something else, or longer than a year.
    private static func nanoseconds(_ field: String) -> UInt64? {
        let parts = field.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.contains(where: { !$0.isEmpty }),
            parts.allSatisfy({ $0.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } }),
            let seconds = UInt64(parts[0].isEmpty ? "0" : String(parts[0])), seconds < 366 * 24 * 3600
        else { return nil }
        let digits = parts.count == 2 ? String(parts[1].prefix(9)) : ""
        let fraction = UInt64(digits + String(repeating: "0", count: 9 - digits.count)) ?? 0
        return seconds * 1_000_000_000 + fraction
    }
}
