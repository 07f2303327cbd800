// What all datagram sockets share: the object, its time limits, connecting and closing. UDPSocket and UnixDatagramSocket are the two
// kinds; sending, receiving and batches are in DatagramSocket+Sending.swift, +Receiving.swift and +Batches.swift. Every call tries the
// system call first and waits for readiness only when it would block.
//
// The `try…` forms never wait. At most one coroutine receives at a time, and one waits to send because the socket is full; a second is a
// programming error that stops the process. The descriptor is closed exactly once: by `close` or when the object goes. Waiting
// is prepared by the first wait, so that a socket can be made before the loop runs and before a fork.
import CSporkShims
import Glibc
import SporkLoop

/// A socket that sends and receives datagrams: whole messages, each by itself, with nobody listening or accepting.
public class DatagramSocket {
    /// How long receiving may wait; nil for ever, zero for not at all.
    ///
    /// With zero, a call that would have to wait throws `.wouldBlock`. The limit is checked while waiting and costs a call nothing.
    public final var readTimeout: Duration? {
        didSet { readLimit = readTimeout?.seconds ?? .infinity }
    }

    /// How long sending may wait, for room or for the broadcast budget; nil for ever, zero for not at all.
    public final var writeTimeout: Duration? {
        didSet { writeLimit = writeTimeout?.seconds ?? .infinity }
    }

    /// The other end of a connected socket; nil when it is not connected.
    public private(set) final var peerAddress: SocketAddress?

    private(set) final var descriptor: Int32
    final let isLocal: Bool
    final let limiter: BroadcastLimiter?
    // Unsafe only in that `deinit` uses it, which belongs to no actor; the object goes on the loop's thread like all others.
    nonisolated(unsafe) private final var readiness: Readiness?
    // Of the receiver that a Unix socket waits for.
    private final var room: Readiness?
    private final var readLimit = Double.infinity
    private final var writeLimit = Double.infinity

    /// Takes over a non-blocking socket.
    init(descriptor: Int32, isLocal: Bool, limiter: BroadcastLimiter?) {
        self.descriptor = descriptor
        self.isLocal = isLocal
        self.limiter = limiter
    }

    deinit {
        guard descriptor >= 0 else { return }
        readiness?.close()
        Glibc.close(descriptor)
    }

    /// A new socket of a family: non-blocking, closed in programs that this one starts.
    static func makeDescriptor(_ family: Int32, for object: String) throws(SystemError) -> Int32 {
        let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, kind, 0)
        guard descriptor >= 0 else { throw SystemError("socket for", object, number: errno) }
        return descriptor
    }

    /// Whether `close` has been called.
    public final var isClosed: Bool { descriptor < 0 }

    /// The address it is bound to, with the port that the kernel chose; nil when it is closed.
    ///
    /// A socket that was never bound has port 0, or no name, until it sends.
    public final var localAddress: SocketAddress? { descriptor >= 0 ? .local(of: descriptor) : nil }

    /// Has the socket send to `address` and receive from nobody else (connect(2)).
    ///
    /// Nothing goes over the network. It may be called again, with another address. Only a connected UDP socket hears that nobody is
    /// there: a later call then throws ECONNREFUSED.
    ///
    /// - Throws: `DatagramError` naming connect and the address.
    public final func connect(to address: SocketAddress) throws(DatagramError) {
        guard descriptor >= 0 else { throw DatagramError(.closed, "connect", "\(address)") }
        guard address.withSystemAddress({ Glibc.connect(descriptor, $0, $1) }) == 0 else {
            throw DatagramError(reason(errno, address), "connect", "\(address)")
        }
        peerAddress = address
    }

    /// Has the socket receive from everybody again.
    ///
    /// The kernel takes a UDP port back that it has chosen itself; the next datagram gets another one.
    public final func disconnect() throws(DatagramError) {
        guard descriptor >= 0, let peer = peerAddress else { return }
        var nobody = sockaddr(sa_family: sa_family_t(AF_UNSPEC), sa_data: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
        guard Glibc.connect(descriptor, &nobody, socklen_t(MemoryLayout<sockaddr>.size)) == 0 else {
            throw DatagramError(.system(number: errno), "disconnect from", "\(peer)")
        }
        peerAddress = nil
    }

    /// Sets an option that all sockets have, such as `.receiveBuffer`.
    ///
    /// - Throws: `SystemError`, naming the option and the socket, when the kernel refuses or the socket is closed.
    public final func set<Value>(_ option: SocketOption<Value>, to value: Value) throws(SystemError) {
        try option.set(value, of: descriptor, label)
    }

    /// An option's value, as the kernel has it.
    ///
    /// - Throws: `SystemError`, naming the option and the socket, when the kernel refuses or the socket is closed.
    public final func get<Value>(_ option: SocketOption<Value>) throws(SystemError) -> Value {
        try option.get(of: descriptor, label)
    }

    /// Closes the socket and wakes who waits on it.
    ///
    /// Harmless when repeated.
    public func close() {
        guard descriptor >= 0 else { return }
        limiter?.close()
        room?.close()
        readiness?.close()
        Glibc.close(descriptor)
        descriptor = -1
    }

    /// Suspends until something can be received, or an error be had.
    final func waitUntilReadable() async throws(DatagramError) {
        guard descriptor >= 0 else { throw receiveFailure(.closed) }
        guard readLimit > 0 else { throw receiveFailure(.wouldBlock) }
        let outcome = await prepared().readable(until: Self.deadline(readLimit))
        if let reason = Self.reason(outcome) { throw receiveFailure(reason) }
    }

    /// Suspends until sending is worth another try.
    ///
    /// - Returns: whether the limiter has let the caller pass, which is good for one attempt at once.
    final func waitUntilSendable(to address: SocketAddress?, hasPassed: Bool) async throws(DatagramError) -> Bool {
        guard descriptor >= 0 else { throw sendFailure(.closed, address) }
        guard writeLimit > 0 else { throw sendFailure(.wouldBlock, address) }
        let deadline = Self.deadline(writeLimit)
        var passes = false
        var outcome: Wait.Outcome
        if let limiter, limiter.applies(to: address ?? peerAddress), limiter.available(hasPassed: hasPassed) == 0 {
            outcome = await limiter.pass(until: deadline)
            passes = true
        } else {
            outcome = await prepared().writable(until: deadline)
            if outcome == .woken, isLocal, let address { outcome = await waitForRoom(at: address, until: deadline) }
        }
        if let reason = Self.reason(outcome) { throw sendFailure(reason, address) }
        return passes
    }

    // A Unix socket that is not connected counts as writable while its receiver's queue is full, because it knows of its own memory only, and
    // waiting for that would be no wait at all. A second one that is connected there knows of the queue (unix_dgram_poll in the kernel).
    private final func waitForRoom(at address: SocketAddress, until deadline: Deadline) async -> Wait.Outcome {
        guard descriptor >= 0 else { return .closed }
        precondition(room == nil, "two coroutines wait to send through one socket")
        guard let helper = try? Self.makeDescriptor(AF_UNIX, for: "room") else {
            return await Wait.park(until: min(deadline, .after(.milliseconds(10))), for: Wait.Reason("wait for room"))
                == .cancelled ? .cancelled : .woken
        }
        defer { Glibc.close(helper) }
        // Where it cannot connect the next attempt to send tells why.
        guard address.withSystemAddress({ Glibc.connect(helper, $0, $1) }) == 0 else { return .woken }
        let readiness = Readiness(descriptor: helper)
        room = readiness
        defer {
            readiness.close()
            room = nil
        }
        return await readiness.writable(until: deadline)
    }

    private final func prepared() -> Readiness {
        if let readiness { return readiness }
        let made = Readiness(descriptor: descriptor)
        readiness = made
        return made
    }

    private static func deadline(_ limit: Double) -> Deadline { limit < .infinity ? .after(seconds: limit) : .never }

    private static func reason(_ outcome: Wait.Outcome) -> DatagramError.Reason? {
        switch outcome {
        case .woken: nil
        case .cancelled: .cancelled
        case .timedOut: .timedOut
        case .closed: .closed
        }
    }

    /// What an error number of sending or connecting means.
    final func reason(_ number: Int32, _ address: SocketAddress?) -> DatagramError.Reason {
        guard number == EACCES, limiter?.allowsBroadcast == false, case .ipv4(let host, _) = address ?? peerAddress
        else {
            return .system(number: number)
        }
        return BroadcastLimiter.isBroadcast(host) ? .broadcastNotEnabled : .system(number: number)
    }

    final func sendFailure(_ reason: DatagramError.Reason, _ address: SocketAddress?) -> DatagramError {
        guard let address = address ?? peerAddress, address != .unix("") else {
            return DatagramError(reason, "send on", label)
        }
        return DatagramError(reason, "send to", "\(address)")
    }

    final func receiveFailure(_ reason: DatagramError.Reason) -> DatagramError {
        guard let peerAddress, peerAddress != .unix("") else { return DatagramError(reason, "receive on", label) }
        return DatagramError(reason, "receive from", "\(peerAddress)")
    }

    /// The socket for messages.
    final var label: String {
        guard let localAddress else { return "a closed socket" }
        return localAddress == .unix("") ? "an unnamed socket" : "\(localAddress)"
    }

    /// Notes that the socket has been connected from the beginning.
    final func isConnected(to address: SocketAddress) { peerAddress = address }
}
