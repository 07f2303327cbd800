// A point on the loop's clock until which something may take. Called by every floor that waits. Comparing two of them is
// all that a wait does in the common case.
import CLibev

/// A point in time on the loop's clock, or never.
package nonisolated struct Deadline: Comparable, Sendable {
    /// Seconds on the loop's clock.
    package var seconds: Double

    package init(seconds: Double) { self.seconds = seconds }

    /// Later than every other.
    package static var never: Deadline { Deadline(seconds: .infinity) }

    /// So long after the start of the loop's present turn.
    package static func after(_ duration: Duration) -> Deadline { Deadline(seconds: EventLoop.now + duration.seconds) }

    /// So long after the moment of the call, however long the present turn has taken already: what the limits of waits are.
    package static func fromNow(_ duration: Duration) -> Deadline {
        Deadline(seconds: EventLoop.monotonicSeconds() + max(0, duration.seconds))
    }

    /// The same; never without a limit.
    package static func fromNow(_ duration: Duration?) -> Deadline { duration.map { fromNow($0) } ?? .never }

    /// So many seconds after the start of the loop's present turn: for limits converted once.
    package static func after(seconds: Double) -> Deadline { Deadline(seconds: EventLoop.now + seconds) }

    /// Whether the loop's present turn has started at this point or later.
    package var hasPassed: Bool { seconds <= EventLoop.now }

    package static func < (left: Deadline, right: Deadline) -> Bool { left.seconds < right.seconds }
}

extension Duration {
    /// This duration in seconds, for libev.
    package nonisolated var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
