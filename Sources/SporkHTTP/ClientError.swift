// How a request of HTTPClient can end other than with an answer. Callers branch on the reason; people read the description, which names the
// request and what became of it.
import Glibc
import SporkLoop
import SporkNet

/// Why a request has no answer, or an answer no end.
public nonisolated struct ClientError: Error, CustomStringConvertible {
    /// What a time limit was for; see `HTTPClient.Configuration`.
    public enum Phase: String, Sendable {
        /// Waiting until one of the origin's connections is free.
        case place = "wait for a free connection"
        /// Resolving, connecting and the TLS handshake.
        case connect = "connect"
        /// Waiting for the head of the answer, once the request has been sent.
        case head = "wait for the answer"
        /// Sending the request, and waiting for more of the answer's body.
        case body = "wait for the other side"
        /// All of the request, to the end of the answer's body.
        case request = "finish the request"
    }

    /// The kinds of ends that callers tell apart.
    public enum Reason: Sendable {
        /// It is no http or https URL.
        case malformedURL
        /// It cannot be sent like this; the text says why.
        case unfit(String)
        /// There is no connection: `NameError`, `ConnectError`, `SystemError` or `TLSError`.
        case connecting(any Error)
        /// A time limit has passed.
        case timedOut(Phase)
        /// The connection has broken.
        case connection(StreamError)
        /// The server has closed the connection without an answer.
        case noAnswer
        /// The server has closed the connection before the end of its answer.
        case endedEarly
        /// The answer cannot be understood; the text says why.
        case malformedAnswer(String)
        /// The body is longer than it may be.
        case tooLong(limit: Int)
        /// The body is not the text that it should be.
        case notText
        /// The client is closed, or what is asked of this answer comes too late.
        case closed
    }

    /// What happened.
    public var reason: Reason
    /// The request's method.
    public var method: String
    /// The request's URL.
    public var url: String

    /// An error of a request.
    public init(_ reason: Reason, _ method: String, _ url: String) {
        (self.reason, self.method, self.url) = (reason, method, url)
    }

    /// For example "GET http://127.0.0.1:1/: connect 127.0.0.1:1: connection refused".
    public var description: String { "\(method) \(url): \(reason)" }

    /// Whether a time limit has passed.
    public var isTimeout: Bool {
        switch reason {
        case .timedOut: true
        case .connecting(let error):
            (error as? ConnectError)?.timedOut ?? false || (error as? NameError)?.reason == .timedOut
                || (error as? TLSError)?.reason == .timedOut || (error as? SystemError)?.number == ETIMEDOUT
        default: false
        }
    }
}

extension ClientError: ResponseConvertible {
    /// What the client of a handler is told that asks another server.
    ///
    /// 504 when that did not answer in time, 502 when it failed (RFC 9110, 15.6.3, 15.6.5), 500 when it was not even asked. Which server that is stays
    /// the house's business; it is told to the server's `onError`.
    public var response: Response {
        if isTimeout { return .page(.gatewayTimeout) }
        switch reason {
        case .malformedURL, .unfit, .closed: return .page(.internalServerError)
        default: return .page(.badGateway)
        }
    }
}

nonisolated extension ClientError.Reason: CustomStringConvertible {
    /// A few words for a log.
    public var description: String {
        switch self {
        case .malformedURL: "not a URL of the form http[s]://HOST[:PORT][/PATH]"
        case .unfit(let why): why
        case .connecting(let error): "\(error)"
        case .timedOut(let phase): "\(phase.rawValue): timed out"
        case .connection(let error): "\(error)"
        case .noAnswer: "the server closed the connection without an answer"
        case .endedEarly: "the server closed the connection before the end of its answer"
        case .malformedAnswer(let why): "the answer cannot be understood: \(why)"
        case .tooLong(let limit): "the body is longer than \(limit) bytes"
        case .notText: "the body is not UTF-8"
        case .closed: "closed"
        }
    }
}
