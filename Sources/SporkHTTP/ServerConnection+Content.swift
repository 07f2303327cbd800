// The content of requests: reading it for a handler, and getting rid of what no handler wanted, so that the next request is found where it
// begins. Part of ServerConnection.
import SporkLoop
import SporkNet

extension ServerConnection {
    /// What is left of a request's content when its answer is there.
    enum UnreadContent {
        case none
        /// So little, as far as one knows, that it is worth waiting for.
        case little
        /// More, or nobody knows whether it will come; the connection has to be closed.
        case endless
    }

    /// The next piece of a request's content, for its handler; nil at its end.
    ///
    /// Tells the client to go on where it waits for that (RFC 9110, 10.1.1).
    ///
    /// - Throws: `HTTPError`, after which the connection will be closed; `CancellationError`, after which it can be read on.
    func readContent(of request: Request, upTo limit: Int) async throws -> [UInt8]? {
        if let length = request.content.length, length > limit { throw HTTPError(.contentTooLarge) }
        while true {
            guard !request.content.isTakenBack else { throw HTTPError.isAnswered }
            let chunk = try takeContent(of: request)
            request.content.received += chunk.count
            guard request.content.received <= limit else {
                request.content.hasFailed = true
                throw HTTPError(.contentTooLarge)
            }
            // The handler may suspend: others will use the shared memory then.
            input.keep()
            if !chunk.isEmpty { return chunk }
            if request.content.decoder.isComplete { return nil }
            try await receiveContent(of: request, forHandler: true)
        }
    }

    /// All content that has come and that nobody has taken, in one piece.
    private func takeContent(of request: Request) throws(HTTPError) -> [UInt8] {
        guard !request.content.hasFailed else { throw HTTPError(.badRequest, "the body could not be read") }
        var chunk: [UInt8] = []
        while !request.content.decoder.isComplete {
            switch request.content.decoder.advance(over: input.bytes) {
            case .content(let range):
                chunk += input.bytes[range]
                input.consume(range.upperBound)
            case .end(let used):
                input.consume(used)
            case .needMore(let used):
                input.consume(used)
                return chunk
            case .refuse(let refusal):
                request.content.hasFailed = true
                throw HTTPError(refusal)
            }
        }
        return chunk
    }

    /// Takes what is left of a request's content from its handler, once the answer is there: a coroutine of its that still waits for more is told that
    /// the request has been answered.
    @inline(never)
    func takeContentBack(of request: Request) async {
        request.content.isTakenBack = true
        // It has its turn before anybody else waits on the stream.
        while request.content.isAwaited {
            stream.interruptReader()
            await EventLoop.stepBack()
        }
    }

    /// Waits for more of a request's content.
    private func receiveContent(of request: Request, forHandler: Bool) async throws {
        while true {
            // Looked at behind each suspension: what has come may be another request by now.
            if forHandler, request.content.isTakenBack { throw HTTPError.isAnswered }
            switch try input.receive(from: stream) {
            case .bytes:
                // It has not waited.
                request.content.awaitsContinue = false
                return
            case .endOfStream:
                request.content.hasFailed = true
                throw HTTPError(.badRequest, "the body ended early")
            case .nothingYet: break
            }
            if request.content.awaitsContinue, !request.content.isAnswered, !isWriting {
                request.content.awaitsContinue = false
                ResponseSerializer.appendInterim(.continue, Headers(), to: &output)
            }
            if !output.isEmpty, !isWriting {
                try await flush()
                continue
            }
            input.keep()
            let began = EventLoop.recently
            let deadline = Deadline.after(seconds: request.content.patience(configuration))
            request.content.isAwaited = true
            defer {
                request.content.isAwaited = false
                request.content.hasWaited(EventLoop.recently - began)
            }
            do { try await stream.waitUntilReadable(until: deadline) } catch {
                if error.reason == .cancelled { throw CancellationError() }
                request.content.hasFailed = true
                throw error.reason == .timedOut ? HTTPError(.requestTimeout) : error
            }
        }
    }

    /// Drops what has come of a request's content, once its answer is there; says what is left.
    func dropReceivedContent(of request: Request) -> UnreadContent {
        // When the client still waits for a word, nobody knows whether it will send.
        if request.content.decoder.isComplete { return .none }
        if (try? takeContent(of: request)) == nil { return .endless }
        if request.content.decoder.isComplete { return .none }
        // Chunks are tried: only they themselves say how much they are.
        if request.content.awaitsContinue { return .endless }
        return request.content.decoder.remaining ?? 0 <= configuration.mostDropped ? .little : .endless
    }

    /// Reads and drops the rest of a request's content, behind its answer.
    ///
    /// False when the connection cannot go on.
    @inline(never)
    func dropContent(of request: Request) async -> Bool {
        do {
            if request.content.awaitsContinue { return false }
            let limit = request.content.received + configuration.mostDropped
            if let left = request.content.decoder.remaining, left > configuration.mostDropped { return false }
            while try await dropPiece(of: request, upTo: limit) {}
            return true
        } catch {
            // There is nobody to tell: the answer was whole, and the next request cannot be found.
            return false
        }
    }

    private func dropPiece(of request: Request, upTo limit: Int) async throws -> Bool {
        request.content.received += try takeContent(of: request).count
        guard request.content.received <= limit else { throw HTTPError(.contentTooLarge) }
        if request.content.decoder.isComplete { return false }
        if !output.isEmpty { try await flush() }
        try await receiveContent(of: request, forHandler: false)
        return true
    }
}

extension HTTPError {
    /// What a reader is told that comes too late.
    static let isAnswered = HTTPError(.badRequest, "the request has been answered")
}
