// Listening elsewhere from a reload on: new addresses are bound before the workers of the new generation are forked, and those that nobody
// listens on any more are closed when the last worker of the old one is about to drain, which then empties their queues.
import SporkNet

extension ListenerSet {
    /// Whether a change to these addresses is possible, as far as can be told without binding them.
    ///
    /// - Parameters:
    ///   - addresses: none for what is usual, nil for no change.
    ///   - isServing: there are workers, so that somebody empties the queue of a listener that is given up.
    /// - Throws: `NeedsRestart`.
    func check(_ addresses: [SocketAddress]?, isServing: Bool) throws(NeedsRestart) {
        guard let addresses else { return }
        let (missing, unwanted) = difference(to: addresses)
        // Each worker has a queue of its own there, and clients are dealt out to all of them.
        guard accept == .shared || (missing + unwanted.map(\.address)).allSatisfy(\.isLocal) else {
            throw NeedsRestart(setting: "bind, with accept = reuseport,")
        }
        guard isServing || unwanted.isEmpty else {
            throw NeedsRestart(setting: "bind, while no worker serves,")
        }
        // The kernel does not bind one beside the other while both are open.
        for address in missing {
            guard let port = address.port, let other = unwanted.first(where: { $0.address.port == port }) else {
                continue
            }
            throw NeedsRestart(setting: "bind, from \(other.address) to \(address),")
        }
    }

    /// Begins to listen at other addresses; `commitChange` or `abandonChange` ends it.
    ///
    /// - Throws: `SystemError` when one cannot be had; nothing has changed then.
    func change(to addresses: [SocketAddress]?, backlog: Int32) throws {
        guard let addresses else { return }
        let (missing, unwanted) = difference(to: addresses)
        added = try Listener.bind(missing, backlog: backlog)
        (removed, nextBacklog) = (unwanted, backlog)
    }

    /// What was begun holds.
    func commitChange() {
        if let nextBacklog, nextBacklog != backlog {
            backlog = nextBacklog
            for listener in shared where !passed.contains(listener.fileDescriptor) { listener.setBacklog(nextBacklog) }
        }
        let given = Set(removed.map { ObjectIdentifier($0) })
        for listener in removed {
            // From here on nobody gets into the queue, which the last worker that holds it empties.
            listener.removeSocketFile()
            listener.refuseNewConnections()
            listener.close()
        }
        shared = shared.filter { !given.contains(ObjectIdentifier($0)) } + added
        (added, removed, nextBacklog) = ([], [], nil)
    }

    /// What was begun does not hold.
    func abandonChange() {
        for listener in added {
            listener.removeSocketFile()
            listener.close()
        }
        (added, removed, nextBacklog) = ([], [], nil)
    }

    /// The addresses that are missing, and the listeners that are not wanted.
    ///
    /// Sockets from systemd are always wanted.
    private func difference(to addresses: [SocketAddress]) -> (missing: [SocketAddress], unwanted: [Listener]) {
        let given = Set(shared.filter { passed.contains($0.fileDescriptor) }.map(\.address))
        let wanted = addresses.isEmpty && passed.isEmpty ? standard.map { [$0] } ?? [] : addresses
        var unmatched = shared.filter { !passed.contains($0.fileDescriptor) } + queuesOfTheFirst
        var missing: [SocketAddress] = []
        // Those that say their port first: port 0 takes whatever is left.
        for address in wanted.filter({ !$0.leavesPortToKernel }) + wanted.filter(\.leavesPortToKernel) {
            if given.contains(address) { continue }
            if let index = unmatched.firstIndex(where: { $0.address.matches(address) }) {
                unmatched.remove(at: index)
            } else {
                missing.append(address)
            }
        }
        return (missing, unmatched)
    }
}

extension SocketAddress {
    fileprivate var leavesPortToKernel: Bool {
        switch self {
        case .ipv4(_, port: 0), .ipv6(_, port: 0, scope: _): true
        default: false
        }
    }

    /// Whether a socket that listens here is what was asked for: with port 0, any port does.
    fileprivate func matches(_ wanted: SocketAddress) -> Bool {
        switch (self, wanted) {
        case (.ipv4(let host, _), .ipv4(let wanted, port: 0)): host == wanted
        case (.ipv6(let host, _, let scope), .ipv6(let wanted, port: 0, let wantedScope)):
            host == wanted && scope == wantedScope
        default: self == wanted
        }
    }
}
