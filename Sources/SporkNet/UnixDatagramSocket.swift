// Unix datagrams: messages between the processes of one machine. They are never lost, and a sender waits while its receiver is full.
import Glibc

/// A Unix datagram socket: bound to a path or an abstract name, or unnamed.
public final class UnixDatagramSocket: DatagramSocket {
    // Unsafe only in that `deinit` uses it, which belongs to no actor.
    nonisolated(unsafe) private var file: UnixSocketFile?

    /// A socket that is bound to a path or an abstract name.
    ///
    /// A socket file that no socket is behind any more is replaced; one that is in use is left alone. The file goes with the socket, unless
    /// another has taken its place.
    ///
    /// - Parameter access: of the socket file, from the moment on at which it can be seen.
    /// - Throws: `SystemError`, naming bind and the address.
    public init(_ address: SocketAddress, access: SocketFileAccess = SocketFileAccess()) throws(SystemError) {
        guard address.isLocal else { throw SystemError("bind a Unix socket to", "\(address)", number: EAFNOSUPPORT) }
        let descriptor = try Self.makeDescriptor(AF_UNIX, for: "\(address)")
        super.init(descriptor: descriptor, isLocal: true, limiter: nil)
        // From here on the object closes it.
        if case .unix(let path) = address {
            file = try UnixSocketFile.bind(descriptor, to: path, access: access)
        } else if address.withSystemAddress({ Glibc.bind(descriptor, $0, $1) }) != 0 {
            throw SystemError("bind", "\(address)", number: errno)
        }
    }

    /// A socket that is bound to an address as people write it: "unix:/path", or "unix:@name" for an abstract name.
    ///
    /// - Throws: `SystemError`, naming bind and the address; invalid argument when it is none.
    public convenience init(_ address: String, access: SocketFileAccess = SocketFileAccess()) throws(SystemError) {
        guard let parsed = SocketAddress(address) else { throw SystemError("bind", address, number: EINVAL) }
        try self.init(parsed, access: access)
    }

    /// A socket without a name: it can send, and cannot be answered.
    public init() throws(SystemError) {
        super.init(
            descriptor: try Self.makeDescriptor(AF_UNIX, for: "unix"),
            isLocal: true,
            limiter: nil
        )
    }

    /// A socket with an abstract name that the kernel chooses and nobody else has (autobind, unix(7)): it can send and be answered.
    public static func uniquelyNamed() throws(SystemError) -> UnixDatagramSocket {
        let socket = try UnixDatagramSocket()
        var family = sockaddr(sa_family: sa_family_t(AF_UNIX), sa_data: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
        guard Glibc.bind(socket.descriptor, &family, socklen_t(MemoryLayout<sa_family_t>.size)) == 0 else {
            throw SystemError("bind", "a unique name", number: errno)
        }
        return socket
    }

    /// Two sockets without names that are connected to each other (socketpair(2)); one may be kept by a child process.
    public static func pair() throws(SystemError) -> (UnixDatagramSocket, UnixDatagramSocket) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw SystemError("socketpair", number: errno)
        }
        return (UnixDatagramSocket(end: ends[0]), UnixDatagramSocket(end: ends[1]))
    }

    private init(end: Int32) {
        super.init(descriptor: end, isLocal: true, limiter: nil)
        isConnected(to: .unix(""))
    }

    deinit { file?.remove() }

    /// Removes the socket file if it is still this socket's, closes the socket, and wakes who waits on it.
    ///
    /// Harmless when repeated. A process that was forked later and closes its hold on the socket leaves the file alone.
    public override func close() {
        // Before the socket: its file's number may be another's afterwards.
        file?.remove()
        file = nil
        super.close()
    }
}
