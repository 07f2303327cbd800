// A point on the loop's clock until which something may take. Called by every floor that waits. Comparing two of them is
// all that a wait does in the common case.
import CLibev

/// A point in time on the loop's clock, or never.
@usableFromInline package nonisolated struct Deadline: Comparable, Sendable {
    /// Seconds on the loop's clock.
    package var seconds: Double

    package init(seconds: Double) { self.seconds = seconds }

    /// Later than every other.
    @usableFromInline package static var never: Deadline { Deadline(seconds: .infinity) }

    /// So long after the moment of the call, give or take a millisecond.
    package static func after(_ duration: Duration) -> Deadline { after(seconds: duration.seconds) }

    /// So long after the moment of the call, however long the present turn has taken already: what the limits of waits are.
    package static func fromNow(_ duration: Duration) -> Deadline {
        Deadline(seconds: EventLoop.monotonicSeconds() + max(0, duration.seconds))
    }

    /// The same; never without a limit.
    @usableFromInline package static func fromNow(_ duration: Duration?) -> Deadline {
        duration.map { fromNow($0) } ?? .never
    }

    /// The same in seconds: for limits converted once.
    package static func after(seconds: Double) -> Deadline { Deadline(seconds: EventLoop.recently + seconds) }

    /// Whether it is past this point now.
    package var isOver: Bool { seconds <= EventLoop.monotonicSeconds() }

    /// Whether the loop's present turn has started at this point or later.
    package var hasPassed: Bool { seconds <= EventLoop.now }

    @usableFromInline package static func < (left: Deadline, right: Deadline) -> Bool { left.seconds < right.seconds }
}

extension Duration {
    /// This duration in seconds, for libev.
    package nonisolated var seconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}
