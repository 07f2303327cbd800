// When a worker leaves new connections to its siblings. On a shared listener the kernel wakes whoever came last, so an idle
// machine would give all connections to one worker; those that hold more than their share step back for a moment.
//
// Nobody ever leaves the queue unattended: a worker steps back only when one that has less listens, says so before it looks,
// and takes what waits when it comes back.

/// The rule by which connections are shared among workers.
package nonisolated enum FairShare {
    /// What a worker knows of a sibling.
    package struct Sibling: Equatable, Sendable {
        /// Connections it serves.
        package var connections: Int
        /// Whether new connections wake it.
        package var isListening: Bool

        package init(connections: Int, isListening: Bool) {
            (self.connections, self.isListening) = (connections, isListening)
        }
    }

    /// How many more than its share a worker may have before it steps back; so few connections are no load.
    package static let slack = 2.0
    /// How much more, as a part of the share.
    package static let tolerance = 0.125
    /// How long a worker that has stepped back leaves new connections to others at first, and at most: it looks whether one waits all the
    /// same, because a sibling that listens may have been stopped.
    package static let pauses: (shortest: Duration, longest: Duration) = (.milliseconds(2), .milliseconds(50))

    /// Whether a worker with so many connections is to step back.
    package static func isExceeded(by connections: Int, siblings: some Sequence<Sibling>) -> Bool {
        var (sum, count, othersListen) = (connections, 1, false)
        for sibling in siblings {
            sum += sibling.connections
            count += 1
            if sibling.isListening, sibling.connections < connections { othersListen = true }
        }
        let share = Double(sum) / Double(count)
        return othersListen && Double(connections) >= share * (1 + tolerance) + slack
    }
}
