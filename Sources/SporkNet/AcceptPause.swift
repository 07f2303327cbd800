// How long a StreamServer waits before it accepts again where it could not, and a Worker leaves newcomers to others. A value.

/// How long to wait before accepting again after a failure: doubling from the shortest to the longest.
package struct AcceptPause {
    private let shortest: Duration
    private let longest: Duration
    private var current: Duration

    package init(_ shortest: Duration, atMost longest: Duration) {
        (self.shortest, self.longest, current) = (shortest, longest, shortest)
    }

    package mutating func next() -> Duration {
        defer { current = min(longest, current * 2) }
        return current
    }

    package mutating func reset() { current = shortest }
}
