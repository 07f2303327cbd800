// The client's side: connecting without holding the loop. A connection is begun, and stands or has failed some time later; `connect`
// does both, the two steps by themselves are for those who look in between.
import Glibc
import SporkLoop
import SporkTasks

extension SocketStream {
    /// Connects to `address`.
    ///
    /// - Parameter limit: how long it may take.
    /// - Throws: `SystemError` naming connect and the address, also when the time has passed (connection timed out);
    ///   `CancellationError`. Nothing is left open then.
    public static func connect(to address: SocketAddress, within limit: Duration? = nil) async throws -> SocketStream {
        let deadline = Deadline.fromNow(limit)
        let stream = try await begin(to: address, until: deadline)
        while try !stream.tryFinishConnecting() {
            switch await stream.waitUntilConnected(until: deadline) {
            case .woken: continue
            case .timedOut: throw SystemError("connect", address.description, number: ETIMEDOUT)
            case .closed: throw SystemError("connect", address.description, number: ECANCELED)
            case .cancelled: throw CancellationError()
            }
        }
        return stream
    }

    // A Unix server that is busy has no room in its queue, and the kernel does not tell when it has again.
    private static func begin(to address: SocketAddress, until deadline: Deadline) async throws -> SocketStream {
        var pause = AcceptPause(.milliseconds(1), atMost: .milliseconds(50))
        while true {
            do { return try beginConnecting(to: address) } catch let error as SystemError where error.number == EAGAIN {
                guard !deadline.isOver else { throw SystemError("connect", address.description, number: ETIMEDOUT) }
                try await sleep(for: pause.next())
            }
        }
    }

    /// Begins to connect to `address` and returns at once: what a non-blocking `connect` does (EINPROGRESS, connect(2)).
    ///
    /// Until `tryFinishConnecting` has said that the connection stands, there is nothing to read and nothing can be written.
    ///
    /// - Throws: `SystemError` naming connect and the address, when it has failed already.
    public static func beginConnecting(to address: SocketAddress) throws -> SocketStream {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, kind, 0)
        guard descriptor >= 0 else { throw SystemError("socket for", address.description, number: errno) }
        let stream = SocketStream(descriptor: descriptor, peer: address)
        if !address.isLocal { try stream.set(.noDelay, to: true) }
        guard address.withSystemAddress({ Glibc.connect(descriptor, $0, $1) }) != 0 else { return stream }
        // A connect that a signal interrupted goes on by itself, as one that would have blocked does. A Unix socket's queue that is
        // full is another matter (EAGAIN): nothing has been begun.
        guard errno == EINPROGRESS || errno == EINTR else {
            throw SystemError("connect", address.description, number: errno)
        }
        return stream
    }

    /// Whether a connection that was begun stands; asking does not wait.
    ///
    /// - Throws: `SystemError` naming connect and the address, when it has failed.
    public func tryFinishConnecting() throws(SystemError) -> Bool {
        var failure: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 else {
            throw SystemError("connect", label, number: errno)
        }
        guard failure == 0 else { throw SystemError("connect", label, number: failure) }
        // Without an error it stands if it has a peer (connect(2), under EINPROGRESS).
        return SocketAddress.peer(of: descriptor) != nil
    }
}
