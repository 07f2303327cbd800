// A datagram socket as a sequence; DatagramSocket+Receiving.swift hands it out.

/// The datagrams of a socket, one after the other: `for try await (message, from) in socket.datagrams`.
///
/// It ends when the socket is closed. A message is as long as it was sent. One coroutine reads it at a time.
public struct Datagrams: AsyncSequence {
    let socket: DatagramSocket

    /// Takes one datagram after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let socket: DatagramSocket

        /// The next datagram, suspending until there is one; nil when the socket is closed.
        ///
        /// - Throws: `DatagramError`, as `receive` does. It can be called again.
        public mutating func next() async throws -> (message: [UInt8], from: SocketAddress)? {
            do throws(DatagramError) { return try await socket.receive() } catch {
                if error.reason == .closed { return nil }
                throw error
            }
        }
    }

    /// An iterator.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(socket: socket) }
}
