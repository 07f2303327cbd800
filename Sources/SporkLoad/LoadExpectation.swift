// What answers have to be, beside being answers. Pure: filled by the command line, looked at by LoadAnswerCheck.

/// What is expected of every answer.
public nonisolated struct LoadExpectation: Equatable, Sendable {
    /// What the content has to be.
    public enum Content: Equatable, Sendable {
        /// Anything, as that of dynamic pages is.
        case any
        /// What the first answer to the same URL had, its status and length, too.
        case asFirst
        /// This.
        case exactly([UInt8])
    }

    /// Statuses that answers may have; empty for all, of which 400 and higher still count as errors.
    public var statuses: [ClosedRange<Int>] = []
    /// What the content has to be.
    public var content = Content.any
    /// How many bytes of first answers a process keeps to compare others with, of all URLs together.
    ///
    /// What has no room is compared by length and by a hash, and then the place of a difference is not known.
    public var mostKept = 64 << 20

    /// Nothing in particular.
    public init() {}

    /// Whether nothing has to be looked at.
    var isNothing: Bool { statuses.isEmpty && content == .any }

    /// Whether a status is one of those.
    func allows(_ status: Int) -> Bool { statuses.isEmpty || statuses.contains { $0.contains(status) } }

    /// Reads statuses as people write them: "200", "2xx", "200,204,3xx".
    ///
    /// Nil when it is something else.
    public static func statuses(_ text: String) -> [ClosedRange<Int>]? {
        var ranges: [ClosedRange<Int>] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            if part.count == 3, part.hasSuffix("xx"), let first = part.first?.wholeNumberValue, (1...5).contains(first)
            {
                ranges.append(first * 100...first * 100 + 99)
            } else if part.utf8.count == 3, let status = Int(part), (100...599).contains(status) {
                ranges.append(status...status)
            } else {
                return nil
            }
        }
        return ranges
    }

    /// The statuses as they are written.
    var statusText: String {
        statuses.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound / 100)xx" }.joined(separator: " or ")
    }
}

/// An answer that is not what was expected: the first one is shown.
public struct LoadMismatch: Equatable {
    /// The number of the URL that it answers, in the plan's order.
    public var url: Int
    /// The first byte of the content that differs; -1 when it is not about one.
    public var offset: Int
    /// What was there and what was expected.
    public var text: String

    var json: JSONValue {
        ["url": .integer(url), "offset": offset < 0 ? .null : .integer(offset), "text": .string(text)]
    }
}
