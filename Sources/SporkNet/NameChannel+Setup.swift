// What c-ares is told before it is asked, and what its answers say: the rest of c-ares' C interface.
import CCares
import Glibc

nonisolated extension NameChannel {
    /// The most that c-ares is told of: it doubles the time with each round.
    private static let mostTries = 10
    private static let mostMillisecondsPerTry = 60_000

    /// A handle of c-ares, and whether it has one server only; nil when it does not take the settings.
    static func open(
        _ configuration: NameResolver.Configuration,
        for channel: NameChannel
    ) -> (handle: ares_channel, hasOneServer: Bool)? {
        guard let handle = initialize(configuration, for: channel, passingFailures: false) else { return nil }
        // With several servers a failure of one is a reason to ask the next, which c-ares does. With one it is the answer,
        // which c-ares would replace by "could not contact".
        guard serverCount(of: handle) == 1 else { return (handle, false) }
        ares_destroy(handle)
        return initialize(configuration, for: channel, passingFailures: true).map { ($0, true) }
    }

    private static func initialize(
        _ configuration: NameResolver.Configuration,
        for channel: NameChannel,
        passingFailures: Bool
    ) -> ares_channel? {
        var options = ares_options()
        // Aliases would be read from a file that the environment names.
        options.flags = Int32(ARES_FLAG_NOALIASES) | (passingFailures ? Int32(ARES_FLAG_NOCHECKRESP) : 0)
        let milliseconds = configuration.timeoutPerTry / .milliseconds(1)
        options.timeout = Int32(min(max(1, milliseconds), Double(mostMillisecondsPerTry)))
        options.tries = Int32(min(max(1, configuration.tries), mostTries))
        options.sock_state_cb = { NameChannel.socketChanged($0, $1, $2, $3) }
        options.sock_state_cb_data = Unmanaged.passUnretained(channel).toOpaque()
        let mask =
            ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS
            | ARES_OPT_RESOLVCONF
        var handle: ares_channel?
        let status = configuration.systemFile.withCString { path in
            // Name servers only ("b"); c-ares copies both.
            "b".withCString { lookups in
                options.lookups = UnsafeMutablePointer(mutating: lookups)
                options.resolvconf_path = UnsafeMutablePointer(mutating: path)
                return ares_init_options(&handle, &options, Int32(mask))
            }
        }
        guard status == ARES_SUCCESS, let handle else { return nil }
        useOwnSockets(handle)
        guard let servers = configuration.servers else { return handle }
        let isTaken =
            !servers.isEmpty && servers.allSatisfy { $0.nameFamily != nil }
            && ares_set_servers_ports_csv(handle, servers.map(\.description).joined(separator: ",")) == ARES_SUCCESS
        if isTaken { return handle }
        ares_destroy(handle)
        return nil
    }

    private static func serverCount(of handle: ares_channel) -> Int {
        var first: UnsafeMutablePointer<ares_addr_port_node>?
        guard ares_get_servers_ports(handle, &first) == ARES_SUCCESS else { return 0 }
        defer { ares_free_data(first) }
        return sequence(first: first) { $0?.pointee.next }.prefix { $0 != nil }.reduce(0) { count, _ in count + 1 }
    }

    /// What the system says about short names.
    static func search(of handle: ares_channel) -> (domains: [String], dots: Int) {
        var options = ares_options()
        var mask: Int32 = 0
        guard ares_save_options(handle, &options, &mask) == ARES_SUCCESS else { return ([], 1) }
        defer { ares_destroy_options(&options) }
        let domains = (0..<Int(max(0, options.ndomains))).compactMap {
            options.domains?[$0].map { String(cString: $0) }
        }
        return (domains, Int(options.ndots))
    }

    /// How c-ares says that a question has ended.
    enum Status {
        case success
        case failed(NameError.Reason)

        init(_ status: Int32) {
            switch status {
            case ARES_SUCCESS: self = .success
            case ARES_ENOTFOUND: self = .failed(.notFound)
            case ARES_ENODATA: self = .failed(.noAddress)
            case ARES_ESERVFAIL, ARES_EREFUSED, ARES_ENOTIMP, ARES_EFORMERR: self = .failed(.serverFailure)
            case ARES_ECONNREFUSED: self = .failed(.serverUnreachable)
            case ARES_ETIMEOUT: self = .failed(.timedOut)
            case ARES_EBADNAME, ARES_EBADQUERY: self = .failed(.malformedName)
            case ARES_ECANCELLED, ARES_EDESTRUCTION: self = .failed(.cancelled)
            case ARES_EBADRESP: self = .failed(.malformedAnswer)
            default: self = .failed(.misconfigured)
            }
        }

        /// Why it has failed.
        var reason: NameError.Reason? {
            if case .failed(let reason) = self { reason } else { nil }
        }
    }

    /// The addresses in an answer, following its aliases, at most `most`.
    static func parse(_ bytes: UnsafeBufferPointer<UInt8>, _ family: AddressFamily, _ most: Int) -> NameSearch.Answer {
        var count = Int32(most)
        let status: Status
        let found: [SocketAddress]
        switch family {
        case .ipv4:
            var records = [ares_addrttl](repeating: ares_addrttl(), count: most)
            status = Status(ares_parse_a_reply(bytes.baseAddress, Int32(bytes.count), nil, &records, &count))
            found = records.prefix(Int(count)).map { .ipv4(UInt32(bigEndian: $0.ipaddr.s_addr), port: 0) }
        case .ipv6:
            var records = [ares_addr6ttl](repeating: ares_addr6ttl(), count: most)
            status = Status(ares_parse_aaaa_reply(bytes.baseAddress, Int32(bytes.count), nil, &records, &count))
            found = records.prefix(Int(count)).map { record in
                let bytes = withUnsafeBytes(of: record.ip6addr) { $0.loadUnaligned(as: SIMD16<UInt8>.self) }
                return .ipv6(bytes, port: 0, scope: 0)
            }
        }
        if let reason = status.reason { return .failed(reason) }
        return .addresses(found)
    }
}
