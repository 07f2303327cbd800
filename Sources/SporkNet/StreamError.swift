// How a call on a stream can end other than well. Callers branch on the reason: a peer that is gone is no event, a timeout is. People
// read the description, which says what was attempted on what.
import Glibc
import SporkLoop

/// Why a call on a stream ended.
public nonisolated struct StreamError: Error, Equatable, CustomStringConvertible {
    /// The kinds of ends that callers tell apart.
    public enum Reason: Equatable, Sendable {
        /// The stream was closed on this side, before or during the call.
        case closed
        /// The stream's time limit for this direction passed.
        case timedOut
        /// It would have had to wait, and the time limit for this direction is zero.
        case wouldBlock
        /// The coroutine was cancelled while it waited; the stream can still be used.
        case cancelled
        /// The peer ended the stream where more had to come.
        case endOfStream
        /// What had to come to an end within so many bytes did not.
        case limitExceeded(bytes: Int)
        /// The connection has ended and the peer has not said that this is the end (TLS): what came may be a part.
        case truncated
        /// TLS refused to go on.
        case tls(TLSError.Reason)
        /// A file that was being sent has become shorter; the peer has got less than it was promised.
        case fileTruncated
        /// The system refused, with this error number; mostly the peer is gone.
        case system(number: Int32)
    }

    // Behind a reference, because every suspended call that may throw has room for one, and every idle connection has such calls.
    private final class Content: Sendable {
        let reason: Reason
        let operation: String
        let object: String

        init(_ reason: Reason, _ operation: String, _ object: String) {
            self.reason = reason
            self.operation = operation
            self.object = object
        }
    }

    private let content: Content

    /// What happened.
    public var reason: Reason { content.reason }
    /// What was attempted, such as "read from".
    public var operation: String { content.operation }
    /// What it was attempted on: the peer's address where it is known.
    public var object: String { content.object }

    /// An error of `operation` on `object`.
    public init(_ reason: Reason, _ operation: String, _ object: String) {
        content = Content(reason, operation, object)
    }

    /// Whether reason, operation and object are the same.
    public static func == (left: StreamError, right: StreamError) -> Bool {
        (left.reason, left.operation, left.object) == (right.reason, right.operation, right.object)
    }

    /// For example "read from 10.0.0.1:80: timed out".
    public var description: String { "\(operation) \(object): \(reason)" }
}

nonisolated extension StreamError.Reason: CustomStringConvertible {
    /// A few words for a log.
    public var description: String {
        switch self {
        case .closed: "the stream is closed"
        case .timedOut: "timed out"
        case .wouldBlock: "would block"
        case .cancelled: "cancelled"
        case .endOfStream: "the peer ended the stream early"
        case .limitExceeded(let bytes): "longer than \(bytes) bytes"
        case .truncated: "the connection ended before the stream did"
        case .tls(let reason): reason.description
        case .fileTruncated: "the file became shorter while it was sent"
        case .system(let number): SystemError.reason(number)
        }
    }
}

extension StreamError: CancellationReport {
    package var isCancellation: Bool { reason == .cancelled }
}
