// A datagram socket as a sequence; DatagramSocket+Receiving.swift hands it out.
import SporkLoop

/// The datagrams of a socket, one after the other: `for try await (message, from) in socket.datagrams`.
///
/// It ends when the socket is closed. A message is as long as it was sent. One coroutine reads it at a time. After 64 datagrams that were
/// there at once others run first, so that whoever floods the socket does not hold the loop.
public struct Datagrams: AsyncSequence {
    let socket: DatagramSocket

    /// Takes one datagram after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        // How many were there at once, one after the other, before it is the others' turn.
        private static let mostInTurn = 64

        let socket: DatagramSocket
        private var inTurn = 0

        init(socket: DatagramSocket) { self.socket = socket }

        /// The next datagram, suspending until there is one; nil when the socket is closed.
        ///
        /// - Throws: `DatagramError`, as `receive` does. It can be called again.
        public mutating func next() async throws -> (message: [UInt8], from: SocketAddress)? {
            do throws(DatagramError) {
                if inTurn < Self.mostInTurn, let received = try socket.tryReceive() {
                    inTurn += 1
                    return received
                }
                if inTurn == Self.mostInTurn { await EventLoop.stepBack() }
                inTurn = 0
                return try await socket.receive()
            } catch {
                if error.reason == .closed { return nil }
                throw error
            }
        }
    }

    /// An iterator.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(socket: socket) }
}
