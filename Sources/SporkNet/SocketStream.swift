// A connection as a stream of bytes, TCP or Unix: the object, its time limits, and the calls that never wait. Reading is in
// SocketStream+Reading.swift, writing in SocketStream+Writing.swift; both try the system call first and wait for readiness only when
// it would block.
//
// The `try…` forms never wait. At most one coroutine reads and one writes at a time; a second is a programming error that stops the
// process. The descriptor is closed exactly once: by `close` or when the object goes.
import CSporkShims
import Glibc
import SporkLoop

/// A connected socket that coroutines read from and write to.
public final class SocketStream {
    /// How long a read may wait for the peer; nil for ever, zero for not at all.
    ///
    /// With zero, a read that would have to wait throws `.wouldBlock`, as Python's `settimeout(0)` has it. The limit is checked while
    /// waiting and costs a call nothing.
    public var readTimeout: Duration? {
        get { readLimit < .infinity ? .seconds(readLimit) : nil }
        set { readLimit = newValue?.seconds ?? .infinity }
    }

    /// How long a write may wait for the peer to take anything; nil for ever, zero for not at all.
    public var writeTimeout: Duration? {
        get { writeLimit < .infinity ? .seconds(writeLimit) : nil }
        set { writeLimit = newValue?.seconds ?? .infinity }
    }

    /// How many bytes the socket has taken so far: what a write that failed has got rid of, too.
    public var bytesSent: Int { sent }

    // What other modules see of it is computed: they would have every look at a stored one checked for exclusive access.
    @exclusivity(unchecked) var sent = 0

    // All one thread, and nothing that is called while it is in use changes it.
    @exclusivity(unchecked) private(set) var descriptor: Int32
    // Unsafe only in that `deinit` uses it, which belongs to no actor; the object goes on the loop's thread like all others.
    nonisolated(unsafe) let readiness: Readiness
    private(set) var readLimit = Double.infinity
    // In seconds, for who has the limit so: most of all those who serve many connections with the same one.
    @exclusivity(unchecked) package var writeLimit = Double.infinity
    /// What the bytes go through, once the stream is secured; see SocketStream+TLS.swift.
    var tlsSession: TLSSession?
    // What most streams do without; an idle connection is counted in bytes.
    private var rarities: Rarities?

    /// Takes over a connected, non-blocking socket.
    package init(descriptor: Int32, peer: SocketAddress? = nil) {
        self.descriptor = descriptor
        if let peer { rarities = Rarities(peer: peer) }
        readiness = Readiness(descriptor: descriptor)
    }

    deinit {
        guard descriptor >= 0 else { return }
        readiness.close()
        Glibc.close(descriptor)
    }

    /// Whether `close` has been called.
    public var isClosed: Bool { descriptor < 0 }

    /// The other end's address; nil when the stream is closed, or the connection has failed and was not made
    /// from this side.
    public var peerAddress: SocketAddress? {
        if let peer = rarities?.peer { return peer }
        return descriptor >= 0 ? .peer(of: descriptor) : nil
    }

    /// This end's address; nil when the stream is closed.
    public var localAddress: SocketAddress? { descriptor >= 0 ? .local(of: descriptor) : nil }

    /// Reads what is there, as much as fits.
    ///
    /// - Returns: the number of bytes, 0 at the end of the stream, nil when it would have blocked.
    public func tryRead(into buffer: UnsafeMutableRawBufferPointer) throws(StreamError) -> Int? {
        if let rarities, let count = rarities.unread?.take(into: buffer) { return count }
        return try tryReceive(into: buffer)
    }

    /// The same, of what the socket has.
    package func tryReceive(into buffer: UnsafeMutableRawBufferPointer) throws(StreamError) -> Int? {
        guard descriptor >= 0 else { throw failure(.closed, "read from") }
        if let tlsSession { return try tryReceive(through: tlsSession, into: buffer) }
        while true {
            // Not read(2), which asks the file system first.
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN: return nil
            default: throw failure(.system(number: errno), "read from")
            }
        }
    }

    /// Writes what the socket takes at once.
    ///
    /// - Parameter more: more follows right away, so a short packet may wait for it (MSG_MORE, send(2)).
    /// - Returns: the number of bytes taken, nil when it would have blocked.
    public func tryWrite(_ bytes: UnsafeRawBufferPointer, more: Bool = false) throws(StreamError) -> Int? {
        guard descriptor >= 0 else { throw failure(.closed, "write to") }
        guard let start = bytes.baseAddress, bytes.count > 0 else { return 0 }
        if let tlsSession { return try tryWrite(bytes, more: more, through: tlsSession) }
        return try taken(spork_send(descriptor, start, bytes.count, more))
    }

    /// Whether bytes go through TLS.
    package var isSecured: Bool { tlsSession != nil }

    /// Writes what the socket takes at once, where that is all there is to writing.
    ///
    /// - Returns: the number of bytes taken; nil when `write` has to be called, which may have to wait.
    package func tryWriteWhole(_ bytes: UnsafeRawBufferPointer) throws(StreamError) -> Int? {
        tlsSession == nil ? try tryWrite(bytes) : nil
    }

    /// Suspends until there is something to read, or the end of the stream, or an error to be had.
    ///
    /// - Parameter deadline: ends the wait; beside it the stream's own time limit counts.
    package func waitUntilReadable(until deadline: Deadline = .never) async throws(StreamError) {
        if let tlsSession { return try await waitUntilReadable(through: tlsSession, until: deadline) }
        let deadline = try readLimit < .infinity ? min(deadline, waitLimit(readLimit, "read from")) : deadline
        let outcome = await readiness.readable(until: deadline)
        if outcome != .woken { throw end(of: outcome, "read from") }
    }

    /// Suspends until the socket takes more.
    package func waitUntilWritable() async throws(StreamError) {
        if let tlsSession { return try await waitUntilWritable(through: tlsSession) }
        let deadline = try writeLimit < .infinity ? waitLimit(writeLimit, "write to") : .never
        let outcome = await readiness.writable(until: deadline)
        if outcome != .woken { throw end(of: outcome, "write to") }
    }

    /// Suspends until a connection that has been begun stands or has failed.
    func waitUntilConnected(until deadline: Deadline) async -> Wait.Outcome {
        await readiness.writable(until: deadline)
    }

    /// Has `observer` told when there is something to read, without a coroutine that waits.
    ///
    /// False, and nobody is told, when there is something already that the socket does not know of.
    @discardableResult
    package func observeReading(until deadline: Deadline, _ observer: any ReadinessObserver) -> Bool {
        if let tlsSession, tlsSession.mayHaveInput || tlsSession.readerNeed == .room { return false }
        guard rarities?.unread?.isEmpty ?? true else { return false }
        readiness.observeReading(until: deadline, observer)
        return true
    }

    /// Wakes the coroutine that waits in `waitUntilReadable`, which finds nothing to read and looks why it was woken.
    package func interruptReader() {
        readiness.interruptReader()
        if let tlsSession { wakeAll(of: tlsSession) }
    }

    /// Ends the stream towards the peer, which may go on sending.
    public func shutdownWrite() {
        guard descriptor >= 0 else { return }
        if let tlsSession { return endWriting(through: tlsSession) }
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Closes the stream and wakes who waits on it.
    ///
    /// Harmless when repeated.
    public func close() {
        guard descriptor >= 0 else { return }
        readiness.close()
        if let tlsSession { close(through: tlsSession) } else { Glibc.close(descriptor) }
        tlsSession = nil
        descriptor = -1
        rarities?.unread = nil
    }

    /// Has these bytes read before what the socket has: who has read them has no use for them.
    package func giveBack(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        unread = UnreadBytes(bytes)
    }

    /// What was read beyond what a caller asked for; it comes before what the socket has.
    var unread: UnreadBytes? {
        get { rarities?.unread }
        set {
            if rarities == nil { rarities = Rarities(peer: nil) }
            rarities?.unread = newValue
        }
    }

    private final class Rarities {
        let peer: SocketAddress?
        var unread: UnreadBytes?

        init(peer: SocketAddress?) { self.peer = peer }
    }

    /// Counts what a system call took; nil when it would have blocked.
    func taken(_ result: Int, _ operation: String = "write to") throws(StreamError) -> Int? {
        if result >= 0 {
            sent += result
            return result
        }
        if -result == Int(EAGAIN) { return nil }
        throw failure(.system(number: Int32(-result)), operation)
    }

    /// An error that names the peer.
    @inline(never)
    func failure(_ reason: StreamError.Reason, _ operation: String) -> StreamError {
        StreamError(reason, operation, label)
    }

    /// The peer for messages, or where it is not known any more, this end.
    var label: String {
        peerAddress.map { "\($0)" } ?? localAddress.map { "the peer of \($0)" } ?? "a closed connection"
    }

    // These are out of line, for small frames of what waits: every idle connection pays for those.

    @inline(never)
    func waitLimit(_ limit: Double, _ operation: String) throws(StreamError) -> Deadline {
        guard limit > 0 else { throw failure(.wouldBlock, operation) }
        return .after(seconds: limit)
    }

    @inline(never)
    func end(of outcome: Wait.Outcome, _ operation: String) -> StreamError {
        switch outcome {
        case .cancelled: failure(.cancelled, operation)
        case .timedOut: failure(.timedOut, operation)
        case .closed, .woken: failure(.closed, operation)
        }
    }
}
