// What can be set about resolving names.

extension NameResolver {
    /// How names are resolved.
    public nonisolated struct Configuration: Sendable {
        /// The name servers to ask, in this order; nil for those of `systemFile`.
        ///
        /// Addresses with their ports, usually 53; IPv6 addresses without an interface.
        public var servers: [SocketAddress]?
        /// How long the first answer of each server is waited for; doubled with each further round through the servers.
        ///
        /// From 1 ms to 60 s.
        public var timeoutPerTry: Duration = .seconds(2)
        /// How often each server is asked at most, 1 to 10.
        public var tries = 3
        /// The domains in which short names are looked for; nil for those of `systemFile` (resolv.conf(5), search).
        public var searchDomains: [String]?
        /// How many dots let a name be tried as it is before the search domains; nil for what `systemFile` says, or 1.
        public var dotsOfWholeNames: Int?
        /// Names that are known without asking (hosts(5)); nil for none.
        ///
        /// Read at first use and again when it has changed, which is looked for at most once a second.
        public var hostsFile: String? = "/etc/hosts"
        /// How many bytes of the hosts file are read; what is behind them is not seen.
        public var mostHostsBytes = 8 * 1024 * 1024
        /// What the system says about name servers, watched like the hosts file.
        public var systemFile = "/etc/resolv.conf"
        /// How many addresses of each family are taken from an answer.
        public var mostAddresses = 64

        /// What the system says.
        public init() {}
    }
}
