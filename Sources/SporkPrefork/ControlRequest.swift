// What can be asked for at the control socket: a line in, lines out, of which the last begins with "ok" or "failed". Parsing is pure.

/// A request to the master.
package nonisolated enum ControlRequest: Equatable, Sendable {
    /// Replace all workers; answered when that has succeeded or failed.
    case reload
    /// Replace the program; answered when that has succeeded or failed.
    case upgrade
    /// So many workers from now on.
    case workers(Int)
    /// How the server is, for people or as JSON.
    case status(asJSON: Bool)
    /// Open the logs again.
    case reopenLogs
    /// End, finishing what has begun or at once.
    case stop(fast: Bool)

    /// The longest line that is taken.
    package static let mostBytes = 256

    /// Why a line is no request.
    package struct Misunderstood: Error, Equatable {
        package let reason: String
    }

    /// Reads a line, without its end.
    package init(line: String) throws(Misunderstood) {
        let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
        switch (words.first, words.dropFirst().first, words.count) {
        case ("reload", _, 1): self = .reload
        case ("upgrade", _, 1): self = .upgrade
        case ("status", _, 1): self = .status(asJSON: false)
        case ("status", "json", 2): self = .status(asJSON: true)
        case ("reopen", _, 1): self = .reopenLogs
        case ("stop", _, 1): self = .stop(fast: false)
        case ("stop", "fast", 2): self = .stop(fast: true)
        case ("workers", let text?, 2):
            guard let count = Int(text), (1...Scoreboard.rowCount / 2).contains(count) else {
                throw Misunderstood(
                    reason: "workers: a number from 1 to \(Scoreboard.rowCount / 2) is needed, not '\(text)'"
                )
            }
            self = .workers(count)
        case (nil, _, _): throw Misunderstood(reason: "an empty request")
        default:
            throw Misunderstood(
                reason:
                    "not understood: '\(line)'; there are reload, upgrade, workers N, status [json], reopen, stop [fast]"
            )
        }
    }
}
