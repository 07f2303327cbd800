// How a call on a datagram socket can end other than well: the same shape as StreamError's, so that both are handled and read alike.
import Glibc
import SporkLoop

/// Why a call on a datagram socket ended.
public nonisolated struct DatagramError: Error, Equatable, CustomStringConvertible {
    /// The kinds of ends that callers tell apart.
    public enum Reason: Equatable, Sendable {
        /// The socket was closed, before or during the call.
        case closed
        /// The socket's time limit for this direction passed.
        case timedOut
        /// It would have had to wait, and the time limit for this direction is zero.
        case wouldBlock
        /// The coroutine was cancelled while it waited; nothing was sent or received, and the socket can still be used.
        case cancelled
        /// It is a broadcast address, and the socket was not made with the broadcast option.
        case broadcastNotEnabled
        /// The text is no address.
        case notAnAddress
        /// The system refused, with this error number: EMSGSIZE for a datagram that is too long, ECONNREFUSED when nobody is
        /// there and the socket is connected.
        case system(number: Int32)
    }

    /// What happened.
    public var reason: Reason
    /// What was attempted, such as "send to".
    public var operation: String
    /// What it was attempted on: the other end's address, or the socket's own.
    public var object: String

    /// An error of `operation` on `object`.
    public init(_ reason: Reason, _ operation: String, _ object: String) {
        self.reason = reason
        self.operation = operation
        self.object = object
    }

    /// For example "send to 10.0.0.1:53: message too long".
    public var description: String { "\(operation) \(object): \(reason)" }
}

nonisolated extension DatagramError.Reason: CustomStringConvertible {
    /// A few words for a log.
    public var description: String {
        switch self {
        case .closed: "the socket is closed"
        case .timedOut: "timed out"
        case .wouldBlock: "would block"
        case .cancelled: "cancelled"
        case .broadcastNotEnabled: "a broadcast address, and the socket was made without options: .broadcast"
        case .notAnAddress: "not an address"
        case .system(let number): SystemError.reason(number)
        }
    }
}

extension DatagramError: CancellationReport {
    package var isCancellation: Bool { reason == .cancelled }
}
