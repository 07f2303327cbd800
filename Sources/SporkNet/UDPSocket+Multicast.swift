// Multicast: datagrams to a group that receivers join. The calls are those of RFC 3678, which are the same for IPv4 and IPv6.
import Glibc

extension UDPSocket {
    /// Joins a group: what is sent to it and to this socket's port arrives from now on (MCAST_JOIN_GROUP, RFC 3678, section 5.1).
    ///
    /// Membership ends with `leave` or with the socket. To receive, bind to all addresses or to the group's.
    ///
    /// - Parameters:
    ///   - group: its address; the port does not matter.
    ///   - interface: on which network.
    ///   - source: receive only what this sender sends (MCAST_JOIN_SOURCE_GROUP); several may be joined one after the other.
    /// - Throws: `SystemError`, naming the group: invalid argument when it is none, no such device without an interface for it.
    public func join(
        _ group: SocketAddress,
        on interface: NetworkInterface = .any,
        from source: SocketAddress? = nil
    ) throws(SystemError) {
        let option = source == nil ? MCAST_JOIN_GROUP : MCAST_JOIN_SOURCE_GROUP
        try change(option, group, interface, source, "join")
    }

    /// Leaves a group, given as it was joined.
    ///
    /// - Throws: `SystemError`, naming the group, when it was not joined like this.
    public func leave(
        _ group: SocketAddress,
        on interface: NetworkInterface = .any,
        from source: SocketAddress? = nil
    ) throws(SystemError) {
        let option = source == nil ? MCAST_LEAVE_GROUP : MCAST_LEAVE_SOURCE_GROUP
        try change(option, group, interface, source, "leave")
    }

    /// Sets which interface multicasts go out by (IP_MULTICAST_IF, ip(7); IPV6_MULTICAST_IF, ipv6(7)).
    public func setMulticastInterface(_ interface: NetworkInterface) throws(SystemError) {
        let operation = "set the multicast interface of"
        switch family {
        case .ipv4:
            var request = ip_mreqn()
            request.imr_ifindex = Int32(interface.index)
            try set(Int32(IPPROTO_IP), Int32(IP_MULTICAST_IF), request, operation)
        case .ipv6: try set(Int32(IPPROTO_IPV6), IPV6_MULTICAST_IF, Int32(interface.index), operation)
        }
    }

    /// Sets how many routers multicasts pass at most, from 0 for this machine to 255 (IP_MULTICAST_TTL, ip(7); IPV6_MULTICAST_HOPS,
    /// ipv6(7)).
    ///
    /// One, which is this network, unless it is set.
    public func setMulticastTimeToLive(_ hops: Int) throws(SystemError) {
        let operation = "set the multicast time to live of"
        switch family {
        case .ipv4: try set(Int32(IPPROTO_IP), Int32(IP_MULTICAST_TTL), Int32(clamping: hops), operation)
        case .ipv6: try set(Int32(IPPROTO_IPV6), IPV6_MULTICAST_HOPS, Int32(clamping: hops), operation)
        }
    }

    /// Sets whether what this socket sends reaches receivers on this machine, too (IP_MULTICAST_LOOP, ip(7); IPV6_MULTICAST_LOOP,
    /// ipv6(7)).
    ///
    /// It does unless it is switched off.
    public func setMulticastLoopback(_ isOn: Bool) throws(SystemError) {
        let operation = "set the multicast loopback of"
        switch family {
        case .ipv4: try set(Int32(IPPROTO_IP), Int32(IP_MULTICAST_LOOP), Int32(isOn ? 1 : 0), operation)
        case .ipv6: try set(Int32(IPPROTO_IPV6), IPV6_MULTICAST_LOOP, Int32(isOn ? 1 : 0), operation)
        }
    }

    private func change(
        _ option: Int32,
        _ group: SocketAddress,
        _ interface: NetworkInterface,
        _ source: SocketAddress?,
        _ operation: String
    ) throws(SystemError) {
        guard group.family == (family == .ipv4 ? AF_INET : AF_INET6), source.map({ $0.family == group.family }) ?? true
        else {
            throw SystemError(operation, group.host, number: EAFNOSUPPORT)
        }
        let level = Int32(family == .ipv4 ? IPPROTO_IP : IPPROTO_IPV6)
        let failure =
            if let source {
                apply(
                    group_source_req(
                        gsr_interface: interface.index,
                        gsr_group: group.storage,
                        gsr_source: source.storage
                    ),
                    level,
                    option
                )
            } else {
                apply(group_req(gr_interface: interface.index, gr_group: group.storage), level, option)
            }
        guard failure == 0 else {
            let origin = source.map { " from \($0.host)" } ?? ""
            throw SystemError(operation, group.host + origin, number: failure)
        }
    }

    private func apply<Request: BitwiseCopyable>(_ request: Request, _ level: Int32, _ option: Int32) -> Int32 {
        var request = request
        return setsockopt(descriptor, level, option, &request, socklen_t(MemoryLayout<Request>.size)) == 0 ? 0 : errno
    }
}

nonisolated extension SocketAddress {
    fileprivate var storage: sockaddr_storage {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) { _ = write(to: $0) }
        return storage
    }
}
