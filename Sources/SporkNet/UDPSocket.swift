// UDP: making a socket, and what only UDP has. Multicast is in UDPSocket+Multicast.swift.
import Glibc

/// A UDP socket: datagrams over IPv4 or IPv6, to one, to all of a network (broadcast) or to a group (multicast).
///
/// What it sends to broadcast and multicast addresses is limited unless `broadcastBudget` is set to nil; what it sends to one receiver is not.
public final class UDPSocket: DatagramSocket {
    /// What a socket is made with.
    public nonisolated struct Options: OptionSet, Sendable {
        /// The bits.
        public let rawValue: Int

        /// Options by their bits.
        public init(rawValue: Int) { self.rawValue = rawValue }

        /// It may send to broadcast addresses (SO_BROADCAST, socket(7)); without it the kernel refuses.
        public static let broadcast = Options(rawValue: 1)
        /// Several sockets that all have this may be bound to one port; each gets every broadcast and multicast, the last one bound what comes for
        /// this machine alone (SO_REUSEADDR, socket(7)).
        public static let reuseAddress = Options(rawValue: 2)
        /// Several sockets of one user that all have this may be bound to one port; each gets every broadcast and multicast, and what
        /// comes for this machine alone is spread among them by sender (SO_REUSEPORT, socket(7)).
        public static let reusePort = Options(rawValue: 4)
    }

    /// The kind of addresses of a socket that is not bound to one.
    public nonisolated enum Family: Sendable {
        /// IPv4.
        case ipv4
        /// IPv6, and no IPv4 in it.
        case ipv6
    }

    /// How many datagrams may still go to broadcast and multicast addresses; nil for no limit.
    ///
    /// On unless it is switched off, because too many are a broadcast storm that takes a network's bandwidth from everybody: see
    /// `SendBudget.standard`. When it is spent, `send` waits and `trySend` would block. Can be set at any time, also while somebody waits.
    public var broadcastBudget: SendBudget? {
        get { limiter?.budget }
        set { limiter?.budget = newValue }
    }

    let family: Family

    /// A socket that is bound to `address`; port 0 has the kernel choose one.
    ///
    /// To receive broadcasts, bind to all addresses: "0.0.0.0:9999".
    ///
    /// - Throws: `SystemError`, naming bind and the address.
    public init(_ address: SocketAddress, options: Options = []) throws(SystemError) {
        switch address {
        case .ipv4: family = .ipv4
        case .ipv6: family = .ipv6
        case .unix, .abstract: throw SystemError("bind UDP to", "\(address)", number: EAFNOSUPPORT)
        }
        let descriptor = try Self.make(family, options, for: "\(address)")
        super.init(descriptor: descriptor, isLocal: false, limiter: Self.limiter(options))
        // From here on the object closes it.
        guard address.withSystemAddress({ Glibc.bind(descriptor, $0, $1) }) == 0 else {
            throw SystemError("bind", "\(address)", number: errno)
        }
    }

    /// A socket that is bound to an address as people write it, such as "0.0.0.0:9999" or "[::1]:9999".
    ///
    /// - Throws: `SystemError`, naming bind and the address; invalid argument when it is none.
    public convenience init(_ address: String, options: Options = []) throws(SystemError) {
        guard let parsed = SocketAddress(address) else { throw SystemError("bind", address, number: EINVAL) }
        try self.init(parsed, options: options)
    }

    /// A socket that is bound to no address: it gets a port with the first datagram that it sends.
    public init(family: Family = .ipv4, options: Options = []) throws(SystemError) {
        self.family = family
        let descriptor = try Self.make(family, options, for: "UDP")
        super.init(descriptor: descriptor, isLocal: false, limiter: Self.limiter(options))
    }

    /// A socket that is connected to `address`: it sends there and receives from nobody else.
    ///
    /// - Throws: `SystemError` or `DatagramError`, naming the operation and the address.
    public static func connected(to address: SocketAddress, options: Options = []) throws -> UDPSocket {
        if address.isLocal { throw SystemError("connect UDP to", "\(address)", number: EAFNOSUPPORT) }
        let family: Family = if case .ipv6 = address { .ipv6 } else { .ipv4 }
        let socket = try UDPSocket(family: family, options: options)
        try socket.connect(to: address)
        return socket
    }

    /// Sets how many routers what is sent to one receiver passes at most, from 1 to 255 (IP_TTL, ip(7); IPV6_UNICAST_HOPS, ipv6(7)).
    public func setTimeToLive(_ hops: Int) throws(SystemError) {
        switch family {
        case .ipv4: try set(Int32(IPPROTO_IP), Int32(IP_TTL), Int32(clamping: hops), "set the time to live of")
        case .ipv6: try set(Int32(IPPROTO_IPV6), IPV6_UNICAST_HOPS, Int32(clamping: hops), "set the hop limit of")
        }
    }

    func set<Value: BitwiseCopyable>(
        _ level: Int32,
        _ option: Int32,
        _ value: Value,
        _ operation: String
    ) throws(SystemError) {
        var value = value
        guard setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Value>.size)) == 0 else {
            throw SystemError(operation, label, number: errno)
        }
    }

    private static func limiter(_ options: Options) -> BroadcastLimiter {
        BroadcastLimiter(budget: .standard, allowsBroadcast: options.contains(.broadcast))
    }

    private static func make(_ family: Family, _ options: Options, for object: String) throws(SystemError) -> Int32 {
        let descriptor = try makeDescriptor(family == .ipv4 ? AF_INET : AF_INET6, for: object)
        var wanted: [(Int32, Int32)] = []
        if options.contains(.broadcast) { wanted.append((SOL_SOCKET, SO_BROADCAST)) }
        if options.contains(.reuseAddress) { wanted.append((SOL_SOCKET, SO_REUSEADDR)) }
        if options.contains(.reusePort) { wanted.append((SOL_SOCKET, SO_REUSEPORT)) }
        if family == .ipv6 { wanted.append((Int32(IPPROTO_IPV6), IPV6_V6ONLY)) }
        var on: Int32 = 1
        for (level, option) in wanted
        where setsockopt(descriptor, level, option, &on, socklen_t(MemoryLayout<Int32>.size)) != 0 {
            let number = errno
            Glibc.close(descriptor)
            throw SystemError("set options of", object, number: number)
        }
        return descriptor
    }
}
