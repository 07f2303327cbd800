// Ctrl-C where servers have been started that nobody else would end: it is noted, and everybody who goes on to something new asks
// first. While a run goes on LoadRun takes the signal itself, from a descriptor.
import CSporkShims
import Glibc

// Set by a signal handler, which may run at any moment: one word, only ever made true.
private nonisolated(unsafe) var isInterrupted = false

/// Whether somebody wants an end.
nonisolated enum Interrupt {
    /// What counts as one: Ctrl-C, Ctrl-\, the terminal's end and kill; but not a hang-up that somebody has this process ignore (nohup).
    static var signals: [Int32] {
        [SIGINT, SIGTERM]
            + [SIGHUP, SIGQUIT].filter { number in
                var action = sigaction()
                sigaction(number, nil, &action)
                return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) != 1
            }
    }

    /// From now on these signals are noted, and do not end this process.
    static func `catch`() {
        for number in signals { signal(number) { _ in isInterrupted = true } }
    }

    /// Whether one has come.
    static var hasCome: Bool { isInterrupted }

    /// Waits, and less than that when a signal comes.
    static func pause(milliseconds: Int32) {
        if !hasCome { poll(nil, 0, milliseconds) }
    }
}
