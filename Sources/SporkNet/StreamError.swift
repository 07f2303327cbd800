// How a wait on a stream can end other than well. Callers branch on it: a peer that is gone is no event, a timeout is.
import SporkLoop

/// Why reading from or writing to a stream ended.
public nonisolated enum StreamError: Error, Equatable, CustomStringConvertible {
    /// The stream was closed on this side, before or during the call.
    case closed
    /// The stream's time limit for this direction passed.
    case timedOut
    /// The coroutine was cancelled while it waited; the stream can still be used.
    case cancelled
    /// The peer ended the stream where more had to come.
    case endOfStream
    /// A file that was being sent has become shorter.
    case fileTruncated
    /// The system refused; mostly the peer is gone.
    case system(SystemError)

    /// One line for a log.
    public var description: String {
        switch self {
        case .closed: "the stream is closed"
        case .timedOut: "timed out"
        case .cancelled: "cancelled"
        case .endOfStream: "the peer ended the stream early"
        case .fileTruncated: "the file became shorter while it was sent"
        case .system(let error): error.description
        }
    }
}

extension StreamError: CancellationReport {
    package var isCancellation: Bool { self == .cancelled }
}
