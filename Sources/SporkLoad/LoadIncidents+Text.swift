// How failures by phase and reason are said: a line each for people, an object each for programs.
import CSporkShims
import SporkNet

extension LoadIncidents.Reason {
    /// The error's name where the system gave one, such as ECONNREFUSED; else a word.
    public var name: String {
        switch self {
        case .system(let number): spork_error_name(number).map { String(cString: $0) } ?? "error \(number)"
        case .timedOut: "timeout"
        case .ended: "closed"
        case .malformed: "malformed"
        case .refused: "tls"
        }
    }

    /// What it means.
    public var meaning: String {
        switch self {
        case .system(let number): SystemError.reason(number)
        case .timedOut: "it took longer than -T"
        case .ended: "the server ended the connection"
        case .malformed: "what came is no answer"
        case .refused: "TLS refused to go on"
        }
    }
}

extension LoadIncidents {
    private func meaning(of reason: LoadIncidents.Reason) -> String {
        guard reason == .refused, let refusal else { return reason.meaning }
        return "\(reason.meaning): \(refusal)"
    }

    /// A line for each kind.
    var lines: [String] {
        entries.map { entry in
            let (first, last) = (Self.seconds(entry.first), Self.seconds(entry.last))
            let times = first == last ? "at \(first) s" : "first at \(first) s, last at \(last) s"
            return
                "    \(entry.phase.name): \(entry.reason.name) (\(meaning(of: entry.reason))) \(entry.count), \(times)"
        }
    }

    var json: JSONValue {
        .array(
            entries.map { entry in
                [
                    "phase": .string(entry.phase.name), "error": .string(entry.reason.name),
                    "meaning": .string(meaning(of: entry.reason)), "count": .integer(entry.count),
                    "first_seconds": .number(Double(entry.first) / 1e9),
                    "last_seconds": .number(Double(entry.last) / 1e9),
                ]
            }
        )
    }

    private static func seconds(_ nanoseconds: UInt64) -> String { LoadText.fixed(Double(nanoseconds) / 1e9, 3) }
}
