// The body of an answer as a program reads it: a stream of pieces, or all of it at once where a limit is named. Nothing is read before it is asked for;
// the server sees backpressure meanwhile.

/// The body of an answer.
///
/// Iterating gives the pieces as they come, however many. What was read once is gone. A connection is used again only when its answer was read to the
/// end: of what nobody reads a little is dropped, and otherwise the connection is closed.
public struct ClientResponseBody: AsyncSequence {
    let response: ClientResponse

    /// How long it is, as the server says; nil where it does not know.
    ///
    /// 0 where there is none, as behind HEAD: how long the answer to GET would be is in its Content-Length field.
    public var length: Int? {
        switch response.exchange.head.framing {
        case .none: 0
        case .length(let length): length
        case .chunked, .untilClose: nil
        }
    }

    /// All of it.
    ///
    /// - Parameter limit: how many bytes it may have. A length that is larger is refused before any of it is read.
    /// - Throws: `ClientError`; `CancellationError`. The connection is closed then.
    public func bytes(upTo limit: Int) async throws -> [UInt8] {
        let exchange = response.exchange
        if let length, length > limit { throw tooLong(limit) }
        guard var collected = try await exchange.nextPiece() else { return [] }
        while collected.count <= limit, let piece = try await exchange.nextPiece() { collected += piece }
        guard collected.count <= limit else { throw tooLong(limit) }
        return collected
    }

    /// All of it as a text in UTF-8; see `bytes(upTo:)`.
    ///
    /// - Throws: also `ClientError` when it is not UTF-8.
    public func string(upTo limit: Int) async throws -> String {
        guard let text = String(validating: try await bytes(upTo: limit), as: UTF8.self) else {
            throw response.exchange.error(.notText)
        }
        return text
    }

    /// Gives up what is left of it; never suspends.
    ///
    /// Another coroutine that waits for more of it gets `ClientError`, `.closed`, and the connection is
    /// closed then.
    public func drop() { response.exchange.abandon() }

    private func tooLong(_ limit: Int) -> any Error {
        let error = response.exchange.error(.tooLong(limit: limit))
        response.exchange.fail(error)
        return error
    }

    /// Reads one piece after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let response: ClientResponse

        /// The next piece, at least one byte; nil at the end.
        ///
        /// - Throws: `ClientError`: `.timedOut` when nothing has come for the client's `bodyTimeout`; `CancellationError`. The connection is closed then.
        public mutating func next() async throws -> [UInt8]? { try await response.exchange.nextPiece() }
    }

    /// An iterator that reads from the connection.
    ///
    /// While one waits for more, another one's reading throws `ClientError`, `.unfit`.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(response: response) }
}
