// The body of a request as a handler reads it: a stream of pieces, or all of it at once where a limit is named. Nothing is read before it is
// asked for; the client sees backpressure meanwhile.

/// The body of a request.
///
/// Iterating gives the pieces as they come, up to the server's limit (1 MiB unless it is set); `chunks(upTo:)` sets another. What was read once is gone. What
/// nobody reads is dropped after the answer where it is little, or else the connection is closed. One coroutine at a time may read; it need not be the
/// handler's own, and where it still reads when the answer is complete, it is told so by `HTTPError` 400.
public struct RequestBody: AsyncSequence {
    let request: Request
    let limit: Int?

    /// How long the client says that it is; nil where it does not know, 0 where there is none.
    public var length: Int? { request.content.length }

    /// The same with another limit, in bytes.
    public func chunks(upTo limit: Int) -> RequestBody { RequestBody(request: request, limit: limit) }

    /// All of it.
    ///
    /// - Parameter limit: how many bytes it may have. A length that is larger is refused before any of it is read.
    /// - Throws: `HTTPError`: 413 when it is longer, 400 when it is malformed or ends early, 408 when it does not come; `CancellationError`.
    public func bytes(upTo limit: Int) async throws -> [UInt8] {
        guard var collected = try await read(upTo: limit) else { return [] }
        while let chunk = try await read(upTo: limit) { collected += chunk }
        return collected
    }

    /// All of it as a text in UTF-8; see `bytes(upTo:)`.
    ///
    /// - Throws: also `HTTPError` 400 when it is not UTF-8.
    public func string(upTo limit: Int) async throws -> String {
        guard let text = String(validating: try await bytes(upTo: limit), as: UTF8.self) else {
            throw HTTPError(.badRequest, "the body is not UTF-8")
        }
        return text
    }

    /// All of it as the values of a form (application/x-www-form-urlencoded).
    ///
    /// - Throws: also `HTTPError` 415 when its type is another.
    public func form(upTo limit: Int) async throws -> FormValues {
        guard request.headers.mediaType == "application/x-www-form-urlencoded" else {
            throw HTTPError(.unsupportedMediaType, "a form is expected")
        }
        return FormValues(try await bytes(upTo: limit))
    }

    /// The next piece within the limit; nil at the end.
    func readPiece() async throws -> [UInt8]? {
        try await read(upTo: limit ?? request.connection?.server.configuration.bodyLimit ?? 0)
    }

    private func read(upTo limit: Int) async throws -> [UInt8]? {
        guard let connection = request.connection else { throw HTTPError.isAnswered }
        return try await connection.readContent(of: request, upTo: limit)
    }

    /// Reads one piece after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let body: RequestBody

        /// The next piece, at least one byte; nil at the end.
        public mutating func next() async throws -> [UInt8]? { try await body.readPiece() }
    }

    /// An iterator that reads from the connection.
    ///
    /// While one waits for more, no other may: that is a programming error.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(body: self) }
}
