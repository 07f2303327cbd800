// The line that a terminal shows while a run goes on, on standard error, so that a summary can be piped away.
import CSporkShims
import Glibc

/// Draws and clears the live line.
enum LiveLine {
    /// Whether there is a terminal to draw on.
    static var isPossible: Bool { spork_terminal_width(STDERR_FILENO) > 0 }

    static func show(_ total: (responses: Int, failures: Int), elapsed: Double, of duration: Double?) {
        let rate = elapsed > 0 ? Double(total.responses) / elapsed : 0
        var line = "\(LoadText.fixed(elapsed, 1)) s  \(LoadText.fixed(rate, 0)) requests/s  \(total.failures) errors"
        if let duration { line += "  \(LoadText.fixed(max(0, duration - elapsed), 0)) s left" }
        let width = Int(spork_terminal_width(STDERR_FILENO))
        put("\r\u{1B}[K" + line.prefix(max(0, width - 1)))
    }

    static func clear() { put("\r\u{1B}[K") }

    private static func put(_ text: String) {
        _ = text.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    }
}
