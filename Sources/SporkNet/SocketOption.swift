// Options of sockets, by name and with the type of their value. Streams and listeners take them; what a socket has without any of them is
// written where it is made.
import Glibc

/// An option of a socket, such as `.noDelay`, with a value of type `Value`.
public nonisolated struct SocketOption<Value>: Sendable {
    let name: String
    let level: Int32
    let number: Int32
    let encode: @Sendable (Value) -> Int32
    let decode: @Sendable (Int32) -> Value
}

nonisolated extension SocketOption<Bool> {
    private init(_ name: String, _ level: Int32, _ number: Int32) {
        self.init(name: name, level: level, number: number, encode: { $0 ? 1 : 0 }, decode: { $0 != 0 })
    }

    /// Small writes go out at once (TCP_NODELAY, tcp(7)).
    ///
    /// On for every TCP stream unless it is switched off.
    public static var noDelay: SocketOption { SocketOption("TCP_NODELAY", Int32(IPPROTO_TCP), TCP_NODELAY) }

    /// The kernel finds out whether a silent peer is still there (SO_KEEPALIVE, socket(7)); off unless it is switched on.
    public static var keepAlive: SocketOption { SocketOption("SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE) }
}

nonisolated extension SocketOption<Int> {
    private init(_ name: String, _ level: Int32, _ number: Int32) {
        self.init(
            name: name,
            level: level,
            number: number,
            encode: { Int32(clamping: $0) },
            decode: { Int($0) }
        )
    }

    /// Bytes that the kernel keeps for a slow peer (SO_SNDBUF, socket(7)).
    ///
    /// It takes twice what it is told, for its own bookkeeping. Setting it ends the kernel's own tuning.
    public static var sendBuffer: SocketOption { SocketOption("SO_SNDBUF", SOL_SOCKET, SO_SNDBUF) }

    /// Bytes that the kernel keeps until they are read (SO_RCVBUF, socket(7)); otherwise like `sendBuffer`.
    public static var receiveBuffer: SocketOption { SocketOption("SO_RCVBUF", SOL_SOCKET, SO_RCVBUF) }

    /// How many probes of keep-alive go unanswered before the connection has failed (TCP_KEEPCNT, tcp(7)).
    public static var keepAliveProbes: SocketOption {
        SocketOption("TCP_KEEPCNT", Int32(IPPROTO_TCP), TCP_KEEPCNT)
    }
}

nonisolated extension SocketOption<Duration> {
    private init(_ name: String, _ number: Int32, unit: Duration) {
        self.init(
            name: name,
            level: Int32(IPPROTO_TCP),
            number: number,
            // Rounded up: zero would mean something else.
            encode: { Int32(clamping: Int64(($0 / unit).rounded(.up))) },
            decode: { unit * Int($0) }
        )
    }

    /// How long a peer is silent before keep-alive asks, in seconds (TCP_KEEPIDLE, tcp(7)).
    public static var keepAliveIdle: SocketOption { SocketOption("TCP_KEEPIDLE", TCP_KEEPIDLE, unit: .seconds(1)) }

    /// How long keep-alive waits between its probes, in seconds (TCP_KEEPINTVL, tcp(7)).
    public static var keepAliveInterval: SocketOption {
        SocketOption("TCP_KEEPINTVL", TCP_KEEPINTVL, unit: .seconds(1))
    }

    /// How long what was sent may go unacknowledged before the connection has failed (TCP_USER_TIMEOUT, tcp(7)).
    public static var userTimeout: SocketOption {
        SocketOption("TCP_USER_TIMEOUT", TCP_USER_TIMEOUT, unit: .milliseconds(1))
    }
}

nonisolated extension SocketOption {
    func set(_ value: Value, of descriptor: Int32, _ object: @autoclosure () -> String) throws(SystemError) {
        var encoded = encode(value)
        guard setsockopt(descriptor, level, number, &encoded, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
            throw SystemError("set \(name) of", object(), number: errno)
        }
    }

    func get(of descriptor: Int32, _ object: @autoclosure () -> String) throws(SystemError) -> Value {
        var encoded: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, level, number, &encoded, &size) == 0 else {
            throw SystemError("ask for \(name) of", object(), number: errno)
        }
        return decode(encoded)
    }
}

extension SocketStream {
    /// Sets an option.
    ///
    /// - Throws: `SystemError`, naming the option and the peer, when the kernel refuses or the stream is closed.
    public func set<Value>(_ option: SocketOption<Value>, to value: Value) throws(SystemError) {
        try option.set(value, of: descriptor, label)
    }

    /// An option's value, as the kernel has it.
    ///
    /// - Throws: `SystemError`, naming the option and the peer, when the kernel refuses or the stream is closed.
    public func get<Value>(_ option: SocketOption<Value>) throws(SystemError) -> Value {
        try option.get(of: descriptor, label)
    }

    /// Closes the stream at once: what was written and is not sent yet is lost, and the peer is told so (RST; SO_LINGER, socket(7)).
    public func reset() {
        guard descriptor >= 0 else { return }
        var nothing = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &nothing, socklen_t(MemoryLayout<linger>.size))
        forgetTLS()
        close()
    }
}
