// The client's side: connecting without holding the loop.
import Glibc
import SporkLoop

extension SocketStream {
    /// Connects to `address`.
    ///
    /// - Parameter limit: how long it may take.
    /// - Throws: `SystemError` naming connect and the address, also when the time has passed (connection timed out).
    public static func connect(to address: SocketAddress, within limit: Duration? = nil) async throws -> SocketStream {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, kind, 0)
        guard descriptor >= 0 else { throw SystemError("socket for", address.description, number: errno) }
        let stream = SocketStream(descriptor: descriptor)
        if !address.isLocal {
            var on: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        if address.withSystemAddress({ Glibc.connect(descriptor, $0, $1) }) == 0 { return stream }
        // A connect that a signal interrupted goes on by itself, as one that would have blocked does.
        guard errno == EINPROGRESS || errno == EINTR else {
            throw SystemError("connect", address.description, number: errno)
        }
        stream.writeTimeout = limit
        do { try await stream.waitUntilWritable() } catch {
            if error == .cancelled { throw CancellationError() }
            throw SystemError("connect", address.description, number: error == .timedOut ? ETIMEDOUT : ECANCELED)
        }
        stream.writeTimeout = nil
        var failure: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &size)
        guard failure == 0 else { throw SystemError("connect", address.description, number: failure) }
        return stream
    }
}
