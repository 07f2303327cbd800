// Listening elsewhere from a reload on: new addresses are bound before the workers of the new generation are forked, and those that nobody
// listens on any more are closed when the last worker of the old one is about to drain, which then empties their queues.
import SporkNet

extension ListenerSet {
    /// Whether a change to these addresses is possible, as far as can be told without binding them.
    ///
    /// - Parameter addresses: none for what is usual, nil for no change.
    /// - Throws: `NeedsRestart`.
    func check(_ addresses: [SocketAddress]?) throws {
        guard let addresses else { return }
        let (added, removed) = difference(to: addresses)
        // Each worker has a queue of its own there, and clients are dealt out to all of them.
        guard accept == .shared || (added + removed.map(\.address)).allSatisfy(\.isLocal) else {
            throw NeedsRestart(setting: "bind, with accept = reuseport,")
        }
    }

    /// Begins to listen at other addresses; `commitChange` or `abandonChange` ends it.
    ///
    /// - Throws: `SystemError` when one cannot be had; nothing has changed then.
    func change(to addresses: [SocketAddress]?, backlog: Int32) throws {
        guard let addresses else { return }
        let (missing, unwanted) = difference(to: addresses)
        added = try Listener.bind(missing, backlog: backlog)
        for listener in shared { listener.setBacklog(backlog) }
        removed = unwanted
    }

    /// What was begun holds.
    func commitChange() {
        guard !added.isEmpty || !removed.isEmpty else { return }
        let given = Set(removed.map { ObjectIdentifier($0) })
        for listener in removed {
            listener.removeSocketFile()
            listener.close()
        }
        shared = shared.filter { !given.contains(ObjectIdentifier($0)) } + added
        (added, removed) = ([], [])
    }

    /// What was begun does not hold.
    func abandonChange() {
        for listener in added {
            listener.removeSocketFile()
            listener.close()
        }
        (added, removed) = ([], [])
    }

    /// The addresses that are missing, and the listeners that are not wanted.
    ///
    /// Sockets from systemd are always wanted.
    private func difference(to addresses: [SocketAddress]) -> (missing: [SocketAddress], unwanted: [Listener]) {
        let passed = Set(SystemdSockets.descriptors)
        let own = shared.filter { !passed.contains($0.fileDescriptor) }
        let wanted = addresses.isEmpty && own.count == shared.count ? standard.map { [$0] } ?? [] : addresses
        var unmatched = own
        var missing: [SocketAddress] = []
        let given = Set(shared.filter { passed.contains($0.fileDescriptor) }.map(\.address))
        // Those that say their port first: port 0 takes whatever is left.
        for address in wanted.filter({ !$0.leavesPortToKernel }) + wanted.filter(\.leavesPortToKernel) {
            if given.contains(address) || portAddresses.contains(where: { $0.matches(address) }) { continue }
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
