// How a handler writes a body that is not there yet: piece by piece, each when the client has taken the one before. ServerConnection makes one for
// an answer made with Response.stream, and ends the body when the handler has.
import SporkNet

/// Writes the body of an answer.
public final class BodyWriter {
    /// The head of the answer, as it is to be written.
    struct Head {
        let response: Response
        let framing: ResponseSerializer.Framing
        let persistence: ResponseSerializer.Persistence
        let request: Request

        init(
            _ response: Response,
            _ framing: ResponseSerializer.Framing,
            _ persistence: ResponseSerializer.Persistence,
            _ request: Request
        ) {
            (self.response, self.framing, self.persistence, self.request) = (response, framing, persistence, request)
        }
    }

    private unowned(unsafe) var connection: ServerConnection?
    private let head: Head
    private let isChunked: Bool
    /// Whether the head is on its way: before, an answer that fails can still be another one.
    private(set) var hasBegun = false
    /// Whether the head says that the connection will be closed, for a reason that only turned up when it was written.
    private(set) var announcesClose = false
    /// Whether a write was given up: where the body goes on nobody knows then.
    private var hasFailed = false
    /// How many bytes have still to be written; nil where that is open.
    private(set) var remaining: Int?
    /// Fields to be sent behind the body, where it is sent in chunks (RFC 9110, 6.5); they are best announced by a Trailer field.
    ///
    /// Connection, Content-Length and Transfer-Encoding are left out: they would be too late (RFC 9110, 6.5.1).
    public var trailers = Headers()

    init(_ connection: ServerConnection, _ head: Head) {
        self.connection = connection
        self.head = head
        switch head.framing {
        case .chunked: (isChunked, remaining) = (true, nil)
        case .length(let length): (isChunked, remaining) = (false, length)
        case .untilClose, .none: (isChunked, remaining) = (false, nil)
        }
    }

    /// Sends these bytes, waiting until the client's connection has taken them.
    ///
    /// - Throws: `StreamError` when the client is gone, or has taken nothing for the server's write timeout; `BodyError` when they are more than
    ///   the length that was announced, or the answer has ended, which it also has when a write was cancelled or has failed: the connection is closed.
    public func write(_ bytes: ArraySlice<UInt8>) async throws {
        guard let connection, !hasFailed else { throw BodyError.ended }
        guard !bytes.isEmpty else { return }
        if connection.isWriting { try await connection.waitForWriter(of: head.request) }
        // While it waited, the other one may have failed, and the answer have ended.
        guard self.connection != nil, !hasFailed else { throw BodyError.ended }
        if let remaining {
            guard bytes.count <= remaining else { throw BodyError.longerThanAnnounced }
            self.remaining = remaining - bytes.count
        }
        appendHead(to: &connection.output)
        do { try await connection.send(bytes, asChunk: isChunked) } catch {
            hasFailed = true
            throw error
        }
    }

    /// Sends these bytes; see `write`.
    public func write(_ bytes: [UInt8]) async throws { try await write(bytes[...]) }

    /// Sends this text as UTF-8; see `write`.
    public func write(_ text: String) async throws { try await write(Array(text.utf8)[...]) }

    /// Sends the head of the answer before there is any body.
    public func flush() async throws {
        guard let connection, !hasFailed else { throw BodyError.ended }
        if connection.isWriting { try await connection.waitForWriter(of: head.request) }
        guard self.connection != nil, !hasFailed else { throw BodyError.ended }
        appendHead(to: &connection.output)
        do { try await connection.sendWhatWaits() } catch {
            hasFailed = true
            throw error
        }
    }

    /// Writes the head, once.
    func appendHead(to output: inout OutputBuffer) {
        if hasBegun { return }
        hasBegun = true
        head.request.content.isAnswered = true
        // A client that waits for a word before it sends does not get it any more (RFC 9110, 10.1.1), so what it will do is not known.
        if head.request.content.awaitsContinue { announcesClose = true }
        let persistence = announcesClose ? .closes : head.persistence
        ResponseSerializer.appendHead(of: head.response, head.framing, persistence, to: &output)
    }

    /// Ends the body; nothing can be written any more.
    ///
    /// - Returns: whether it is whole.
    func end(into output: inout OutputBuffer) -> Bool {
        connection = nil
        if hasFailed { return false }
        appendHead(to: &output)
        if isChunked {
            output.append(literal: "0\r\n")
            for field in trailers where !ResponseSerializer.isOurs(field.name) {
                ResponseSerializer.append(field.name, field.value, to: &output)
            }
            output.append(literal: "\r\n")
        }
        return remaining ?? 0 == 0
    }

    /// Ends a body that is not whole.
    func abandon() { connection = nil }
}

/// Why a body takes no more.
public enum BodyError: Error, Equatable {
    /// The answer has ended, or its client has gone.
    case ended
    /// More was written than had been announced.
    case longerThanAnnounced
}
