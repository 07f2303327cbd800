// When a worker leaves new connections to its siblings. On a shared listener the kernel wakes whoever stands first in its line, so an
// idle machine would give all connections to one worker. One that has more than its share goes to the end of the line, which costs two
// system calls and wakes nobody; one that has far more, as in a burst that finds the others asleep, leaves the line for a moment.
//
// Nobody ever leaves the queue unattended: a worker leaves the line only when one that has less stands in it, says so before it looks,
// comes back by itself, and is called back by one that has more and finds itself alone.

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

    /// Where a worker is to stand.
    package enum Place: Equatable, Sendable {
        /// Where it is.
        case same
        /// At the end of the line.
        case last
        /// Not in it, for a moment.
        case aside
        /// Not in it as soon as somebody who has less has been called back: nobody else stands there.
        case alone
    }

    /// So few connections are no load, and as many more than its share a worker may have before it stands aside.
    package static let slack = 2
    /// How much more, as a part of the share.
    package static let tolerance = 0.125
    /// How long a worker stands aside the first time, and at most.
    package static let pauses: (shortest: Duration, longest: Duration) = (.milliseconds(2), .milliseconds(50))

    /// Where a worker with so many connections is to stand.
    package static func place(with connections: Int, siblings: some Sequence<Sibling>) -> Place {
        if connections <= slack { return .same }
        var (sum, count, othersListen) = (connections, 1, false)
        for sibling in siblings {
            sum += sibling.connections
            count += 1
            if sibling.isListening, sibling.connections < connections { othersListen = true }
        }
        let share = Double(sum) / Double(count)
        if Double(connections) <= share { return .same }
        if Double(connections) < share * (1 + tolerance) + Double(slack) { return othersListen ? .last : .same }
        return othersListen ? .aside : .alone
    }
}
