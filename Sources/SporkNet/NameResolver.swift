// From names to addresses, without holding the loop. Called by whoever connects by name.
//
// What can be answered here is answered without suspending: addresses written out, localhost, the hosts file. For the rest
// name servers are asked, for IPv6 and IPv4 at the same time; coroutines that want the same name at the same time share one
// lookup. Answers are not kept: that is what the system's resolver beside us is for.
//
// A resolver opens nothing before its first question, which needs the loop. So one that was made before a fork, like the
// shared one, has nothing that a child could share with others.
//
// Invariant: a lookup is in `lookups` while somebody waits for it and it is not over; its channel counts it until the last one has left.
import SporkLoop

/// Turns names into addresses.
public final class NameResolver {
    /// The resolver of this process, for whoever brings none; set it before its first use to have other settings.
    public static var shared = NameResolver()

    /// What it was made with.
    public let configuration: Configuration

    // Unsafe only in that `deinit` uses it, which belongs to no actor.
    nonisolated(unsafe) private var channel: NameChannel?
    private var lookups: [HostName: NameLookup] = [:]
    private var hosts = HostsTable()
    private var hostsFile: WatchedFile?
    private var systemFile: WatchedFile

    /// A resolver; opens and reads nothing yet.
    public init(_ configuration: Configuration = Configuration()) {
        self.configuration = configuration
        hostsFile = configuration.hostsFile.map { WatchedFile($0) }
        systemFile = WatchedFile(configuration.systemFile)
    }

    // Nobody waits any more: who does holds the resolver.
    deinit { channel?.close() }

    /// All addresses of `name`, those to be tried first in front, with `port`.
    ///
    /// An address written out is its own answer, also in brackets or with an interface. "localhost" and what ends in ".localhost" is
    /// this machine (RFC 6761). Then comes the hosts file, then the name servers, which are asked for IPv6 and IPv4 addresses at the
    /// same time; both answers are waited for, and one family's failure counts only when the other has no address either. The order
    /// is that of RFC 6724's table of precedence.
    ///
    /// - Parameter limit: how long it may take; the resolver's own limits count besides.
    /// - Throws: `NameError`; with `.cancelled` as soon as the coroutine is cancelled.
    public func addresses(
        of name: String,
        port: UInt16,
        within limit: Duration? = nil
    ) async throws(NameError) -> [SocketAddress] {
        if let known = try tryAddresses(of: name, port: port) { return known }
        var found: [SocketAddress] = []
        try await lookUp(name, until: .fromNow(limit)) { _, addresses in found += addresses }
        return found.map { $0.with(port: port) }.inOrderOfPreference
    }

    /// The addresses of `name` if they are known without asking a name server.
    ///
    /// Never suspends; reads the hosts file when it has changed.
    ///
    /// - Returns: nil when a name server would have to be asked.
    /// - Throws: `NameError` when it cannot be a name.
    public func tryAddresses(of name: String, port: UInt16) throws(NameError) -> [SocketAddress]? {
        if let literal = Self.literal(name, port: port) { return [literal] }
        let host = try Self.checked(name)
        if host.isLoopback { return [.ipv6(SocketAddress.loopbackBytes, port: port, scope: 0), .loopback(port: port)] }
        readHosts()
        let known = hosts[host]
        return known.isEmpty ? nil : known.map { $0.with(port: port) }.inOrderOfPreference
    }

    /// Asks the name servers, and reports the addresses of each family as soon as they are known, with port 0; of one family there may
    /// be none.
    package func lookUp(
        _ name: String,
        until deadline: Deadline,
        report: (AddressFamily, [SocketAddress]) -> Void
    ) async throws(NameError) {
        let host = try Self.checked(name)
        let lookup = try join(host, name)
        defer { leave(lookup, host) }
        var reported: Set<AddressFamily> = []
        while true {
            for family in AddressFamily.allCases where !reported.contains(family) {
                guard let addresses = lookup.found[family] else { continue }
                reported.insert(family)
                report(family, addresses)
            }
            if let reason = lookup.failure { throw NameError(name, reason) }
            if lookup.isOver { return }
            switch await Wait.park(in: lookup.waiters, until: deadline, for: Wait.Reason("resolve a name")) {
            case .woken, .closed: break
            case .timedOut: throw NameError(name, .timedOut)
            case .cancelled: throw NameError(name, .cancelled)
            }
        }
    }

    private func join(_ host: HostName, _ name: String) throws(NameError) -> NameLookup {
        if let lookup = lookups[host], !lookup.isOver {
            lookup.users += 1
            return lookup
        }
        guard let channel = openChannel() else { throw NameError(name, .misconfigured) }
        let candidates = host.candidates(domains: channel.searchDomains, dots: channel.dots)
        let lookup = NameLookup(candidates, over: channel)
        lookup.users = 1
        channel.lookups += 1
        lookups[host] = lookup
        lookup.start()
        return lookup
    }

    private func leave(_ lookup: NameLookup, _ host: HostName) {
        lookup.users -= 1
        guard lookup.users == 0 else { return }
        if lookups[host] === lookup { lookups[host] = nil }
        lookup.abandon()
        let used = lookup.channel
        used.lookups -= 1
        // c-ares can take back all questions or none: those of others go on, and abandoned ones end with their time.
        guard used.lookups == 0 else { return }
        if used === channel { used.cancelAll() } else { used.close() }
    }

    // A new one when the system's name servers have changed; the old one ends with its last lookup.
    private func openChannel() -> NameChannel? {
        let isStale = systemFile.hasChanged()
        if let channel, !isStale { return channel }
        guard let opened = NameChannel(configuration) else { return nil }
        if let channel, channel.lookups == 0 { channel.close() }
        channel = opened
        return opened
    }

    private func readHosts() {
        guard hostsFile?.hasChanged() == true, let file = hostsFile else { return }
        hosts = HostsTable(parsing: file.contents(atMost: configuration.mostHostsBytes))
    }

    private static func checked(_ name: String) throws(NameError) -> HostName {
        guard let host = HostName(name) else { throw NameError(name, .malformedName) }
        return host
    }

    /// The address that `name` is, if it is one: IPv4, or IPv6 with or without brackets.
    package static func literal(_ name: String, port: UInt16) -> SocketAddress? {
        // A zero would end the name for the system's functions.
        guard !name.utf8.contains(0) else { return nil }
        guard name.hasPrefix("["), name.hasSuffix("]") else { return SocketAddress(host: name, port: port) }
        let address = SocketAddress(host: String(name.dropFirst().dropLast()), port: port)
        return address?.nameFamily == .ipv6 ? address : nil
    }
}
