// The line that a terminal shows while a run goes on, on standard error, so that a summary can be piped away.
import CSporkShims
import Glibc

/// Draws and clears the live line.
enum LiveLine {
    /// Whether there is a terminal to draw on.
    static var isPossible: Bool { spork_terminal_width(STDERR_FILENO) > 0 }

    /// - Parameters:
    ///   - elapsed: seconds since counting began; nil while the run warms up.
    ///   - duration: how many seconds it will take; nil when it ends with its requests.
    static func show(_ total: LoadProgress.Total, elapsed: Double?, of duration: Double?) {
        let width = Int(spork_terminal_width(STDERR_FILENO))
        put("\r\u{1B}[K" + text(total, elapsed: elapsed, of: duration).prefix(max(0, width - 1)))
    }

    static func text(_ total: LoadProgress.Total, elapsed: Double?, of duration: Double?) -> String {
        guard let elapsed else { return "connecting and warming up" }
        let rate = elapsed > 0 ? Double(total.responses) / elapsed : 0
        var line = "\(LoadText.fixed(elapsed, 1)) s  \(LoadText.fixed(rate, 0)) requests/s"
        if let median = total.latencies.percentile(50), let tail = total.latencies.percentile(99) {
            line += "  p50 \(LoadText.time(nanoseconds: median))  p99 \(LoadText.time(nanoseconds: tail))"
        }
        line += "  \(total.failures) errors"
        if let duration { line += "  \(LoadText.fixed(max(0, duration - elapsed), 0)) s left" }
        return line
    }

    static func clear() { put("\r\u{1B}[K") }

    private static func put(_ text: String) {
        _ = text.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    }
}
