// The content of an answer: read piece by piece when its reader wants more, so that the server is slowed down by the reader and by nobody else. What
// nobody reads is dropped where it is little; otherwise the connection is closed. Part of ClientExchange.
import SporkLoop
import SporkNet
import SporkTasks

extension ClientExchange {
    /// Whether the content ends with the connection.
    private var isEndless: Bool { head.framing == .untilClose }

    /// Prepares for the content; where there is none the exchange is over.
    func beginContent() {
        switch head.framing {
        case .none: content = BodyDecoder(length: 0)
        case .length(let length): content = BodyDecoder(length: length)
        case .chunked: content = BodyDecoder(chunkedWith: BodyLimits())
        case .untilClose: return
        }
        if content.isComplete { finish() }
    }

    /// The next piece of the content; nil at its end.
    ///
    /// - Throws: `ClientError`, `CancellationError`; the connection is closed then.
    func nextPiece() async throws -> [UInt8]? {
        while true {
            if let failure { throw failure }
            guard let connection else { return nil }
            guard !isAwaited else {
                throw error(isAbandoned ? .closed : .unfit("another coroutine reads the body"))
            }
            do {
                let piece = try takePiece(from: connection)
                if content.isComplete, !isEndless { finish() }
                if !piece.isEmpty { return piece }
                if self.connection != nil { try await receiveContent(on: connection) }
            } catch {
                // Who gave it up meanwhile has said why.
                let error = failure ?? translated(error)
                fail(error)
                throw error
            }
        }
    }

    /// Gives up what is left of the content; a coroutine that waits for it is told so.
    ///
    /// Never suspends; where the rest is short and is about to come, a coroutine reads it.
    func abandon() {
        guard let connection, !isAbandoned else { return }
        isAbandoned = true
        let most = client.configuration.mostDropped
        guard head.keepsAlive, !isEndless, !isAwaited, case .whole = upload, content.remaining ?? 0 <= most else {
            return fail(error(.closed))
        }
        do { _ = try takePiece(from: connection) } catch { return fail(error) }
        if content.isComplete { return finish() }
        connection.input.keep()
        deadline = min(deadline, .fromNow(client.configuration.dropTimeout))
        spawn("drop the rest of \(request.methodName) \(request.url)") { [self] in
            var dropped = 0
            while let piece = try? await nextPiece() {
                dropped += piece.count
                if dropped > most { return fail(error(.closed)) }
            }
        }
    }

    /// All content that has come and that nobody has taken.
    private func takePiece(from connection: ClientConnection) throws -> [UInt8] {
        var piece: [UInt8] = []
        if isEndless {
            piece += connection.input.bytes
            connection.input.consume(piece.count)
            return piece
        }
        while !content.isComplete {
            switch content.advance(over: connection.input.bytes) {
            case .content(let range):
                piece += connection.input.bytes[range]
                connection.input.consume(range.upperBound)
            case .end(let used):
                connection.input.consume(used)
            case .needMore(let used):
                connection.input.consume(used)
                connection.input.keep()
                return piece
            case .refuse(let refusal):
                throw error(.malformedAnswer("\(refusal.reason)"))
            }
        }
        // Behind it there should be nothing.
        connection.input.keep()
        return piece
    }

    /// Waits for more of the content.
    private func receiveContent(on connection: ClientConnection) async throws {
        let due = Deadline.fromNow(client.configuration.bodyTimeout)
        while true {
            switch try connection.input.receive(from: connection.stream) {
            case .bytes: return
            case .endOfStream:
                guard isEndless else { throw error(.endedEarly) }
                return finish()
            case .nothingYet:
                isAwaited = true
                defer { isAwaited = false }
                try await connection.stream.waitUntilReadable(until: min(due, deadline))
            }
        }
    }
}
