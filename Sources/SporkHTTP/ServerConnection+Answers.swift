// How a request is answered: who decides what the answer is, how it is framed, and what becomes of the connection behind it. Part of
// ServerConnection, which reads the requests.
import SporkLoop
import SporkNet
import SporkPrefork

extension ServerConnection {
    /// Decides what becomes of a request, and answers it where that takes neither time nor room.
    ///
    /// - Returns: how many cheap answers this one was worth; nil when `answer` is to go on with it.
    func answerAtOnce(_ request: Request) -> Int? {
        request.begin(on: self)
        // First of all: a handler that crashes or hangs is to be named.
        let place = server.row?.beginRequest(request.head.requestText)
        let response: Response
        // Taken apart as it comes, so that the answer is moved and not copied.
        switch Unmanaged.passUnretained(server).borrow({ $0.decide(request) }) {
        case .now(let made): response = made
        case let decision:
            (request.decision, request.place) = (decision, place)
            return nil
        }
        guard isSimple(response, to: request) else {
            (request.decision, request.place) = (.now(response), place)
            return nil
        }
        // Before it is sent: no client has an answer that was not counted.
        server.row?.countRequest()
        let length = response.body.count ?? 0
        let framing: ResponseSerializer.Framing = response.status.allowsContent ? .length(length) : .none
        burst.isLast = !keepsAlive(behind: request, response)
        ResponseSerializer.appendHead(of: response, framing, .after(request, burst.isLast), to: &output)
        if hasBody(response, to: request) {
            switch response.body {
            case .text(let text): output.append(text)
            case .bytes(let bytes): output.append(bytes)
            case .block(let block, let range): output.append(UnsafeRawBufferPointer(rebasing: block.bytes[range]))
            default: break
            }
        }
        request.end()
        if let place { server.row?.endRequest(place) }
        return response.isExpensive ? configuration.mostAnswersInTurn : 1
    }

    /// Whether the connection stays open behind an answer, as far as client, handler and configuration are concerned.
    private func keepsAlive(behind request: Request, _ response: Response) -> Bool {
        request.head.keepsAlive && !response.closesConnection && server.keepAliveTimeout > 0
    }

    /// Whether an answer only has to be put behind others that wait.
    private func isSimple(_ response: Response, to request: Request) -> Bool {
        guard !request.content.isExpected, !isDraining, response.status.code != 205,
            output.count < OutputBuffer.usualSize / 2
        else { return false }
        switch response.body {
        case .empty: return true
        case .text, .bytes, .block: return response.body.count ?? .max <= configuration.mostGathered
        case .file, .pieces, .stream, .events, .takeover: return false
        }
    }

    /// Goes on with what `answerAtOnce` has decided.
    ///
    /// - Returns: whether the connection goes on, and how many cheap answers this one was worth.
    @inline(never)
    func answer(_ request: Request) async throws(StreamError) -> (goesOn: Bool, effort: Int) {
        let place = request.place.take()
        defer {
            request.end()
            if let place { server.row?.endRequest(place) }
            countBytes()
        }
        let response: Response
        guard let decision = request.decision.take() else { return (false, 0) }
        switch decision {
        case .now(let made): response = made
        case .failed(let error): response = self.response(to: error, of: request)
        case .later(let handle):
            if !output.isEmpty { try await flush() }
            input.keep()
            guard let made = await run(handle, request) else { return (false, 0) }
            if isWriting { try await waitForWriter(of: request) }
            response = made
        }
        server.row?.countRequest()
        switch response.body {
        case .stream(_, let write): return try await answer(request, with: response, write)
        case .events(let write):
            return try await answer(request, with: response) { try await self.sendEvents($0, for: request, write) }
        case .takeover(let takeOver):
            try await beginAnswer(to: request)
            // What is left of the content must not be taken for the beginning of what is spoken from here on.
            if request.content.isExpected, dropReceivedContent(of: request) != .none {
                var refusal = Response.page(.badRequest, "The content of the request has not come.")
                refusal.closesConnection = true
                return try await answer(request, with: refusal)
            }
            try await handOver(response, takeOver)
            return (false, 0)
        default: return try await answer(request, with: response)
        }
    }

    /// Answers a request with a body that is there.
    private func answer(
        _ request: Request,
        with response: Response
    ) async throws(StreamError) -> (goesOn: Bool, effort: Int) {
        try await beginAnswer(to: request)
        let rest = request.content.isExpected ? dropReceivedContent(of: request) : .none
        let isLast = isDraining ? try isLastAnswer() : false
        let closes = !keepsAlive(behind: request, response) || rest == .endless || isLast
        ResponseSerializer.appendHead(of: response, framing(of: response), .after(request, closes), to: &output)
        if hasBody(response, to: request) { try await send(response.body) }
        return try await conclude(request, response, closes)
    }

    /// Answers a request with a body that a handler writes.
    @inline(never)
    private func answer(
        _ request: Request,
        with response: Response,
        _ write: @MainActor (BodyWriter) async throws -> Void
    ) async throws(StreamError) -> (goesOn: Bool, effort: Int) {
        var framing = framing(of: response)
        // What has arrived is this request's own content as long as that is not complete, and no other request.
        let hasContent = request.content.isExpected && !request.content.decoder.isComplete
        var isLast = isDraining && hasContent
        if isDraining, !hasContent { isLast = try isLastAnswer() }
        let sendsBody = hasBody(response, to: request)
        var closes = !keepsAlive(behind: request, response) || isLast
        // A handler that writes may read meanwhile; what nobody will read is looked at as behind other answers.
        if !sendsBody {
            try await beginAnswer(to: request)
            if hasContent, dropReceivedContent(of: request) == .endless { closes = true }
        }
        if case .chunked = framing, request.version == .http10 { (framing, closes) = (.untilClose, true) }
        let writer = BodyWriter(self, BodyWriter.Head(response, framing, .after(request, closes), request))
        input.keep()
        if sendsBody {
            defer { writer.abandon() }
            do { try await write(writer) } catch {
                if AnyCoroutine.current?.isCancelled == true || stream.isClosed { return (false, 0) }
                // As long as nothing has been said, something else can be.
                if !writer.hasBegun { return try await answer(request, with: self.response(to: error, of: request)) }
                if !(error is StreamError || error is HTTPError) { server.onError(error, request) }
                return (false, 0)
            }
            if isWriting { try await waitForWriter(of: request) }
            guard writer.end(into: &output) else { return (false, 0) }
        } else {
            writer.appendHead(to: &output)
        }
        return try await conclude(request, response, closes || writer.announcesClose)
    }

    /// Sees that nobody but the connection reads and writes from here on: the handler may have left coroutines behind that do.
    private func beginAnswer(to request: Request) async throws(StreamError) {
        request.content.isAnswered = true
        if request.content.isExpected { await takeContentBack(of: request) }
        if isWriting { try await waitForWriter(of: request) }
    }

    /// Whether anything is sent behind the head of an answer (RFC 9110, 6.4.1, 15.3.6).
    private func hasBody(_ response: Response, to request: Request) -> Bool {
        request.head.method != .head && response.status.allowsContent && response.status.code != 205
    }

    /// What becomes of the connection behind an answer.
    private func conclude(
        _ request: Request,
        _ response: Response,
        _ closes: Bool
    ) async throws(StreamError) -> (goesOn: Bool, effort: Int) {
        if request.content.isExpected { await takeContentBack(of: request) }
        if closes {
            if !output.isEmpty { try await flush() }
            // Always, also behind a client that has promised to send no more: between a look for more and the close it may come.
            await linger()
            return (false, 0)
        }
        if output.count >= OutputBuffer.usualSize { try await flush() }
        if request.content.isExpected, !request.content.decoder.isComplete {
            guard await dropContent(of: request) else {
                if !stream.isClosed {
                    // The answer's end may still be here.
                    if !output.isEmpty { try await flush() }
                    await linger()
                }
                return (false, 0)
            }
        }
        return (true, response.isExpensive ? configuration.mostAnswersInTurn : 1)
    }

    /// Sends what a handler has to be told before its answer: 103.
    func sendEarlyHints(_ headers: Headers, for request: Request) async throws(StreamError) {
        guard request.version == .http11 else { return }
        if isWriting { try await waitForWriter(of: request) }
        guard !request.content.isAnswered else { return }
        ResponseSerializer.appendInterim(.earlyHints, headers, to: &output)
        try await flush()
    }

    /// Runs a handler; nil when there is nobody left to answer.
    @inline(never)
    private func run(_ handle: Handler, _ request: Request) async -> Response? {
        do { return try await handle(request) } catch {
            if AnyCoroutine.current?.isCancelled == true || stream.isClosed { return nil }
            return response(to: error, of: request)
        }
    }

    func response(to error: any Error, of request: Request) -> Response {
        // The client is not told what is wrong with another server; somebody has to be.
        if let error = error as? ClientError { server.onError(error, request) }
        if let error = error as? any ResponseConvertible { return error.response }
        if error is TimeoutError { return .page(.serviceUnavailable) }
        server.onError(error, request)
        return .page(.internalServerError)
    }

    private func framing(of response: Response) -> ResponseSerializer.Framing {
        guard response.status.allowsContent else { return .none }
        // This status means that there is nothing, which a length of none says as well (RFC 9110, 15.3.6).
        if response.status.code == 205 { return .length(0) }
        return response.body.count.map { .length($0) } ?? .chunked
    }

    // A client that has sent several at once gets all of them answered, but not for ever.
    private func isLastAnswer() throws(StreamError) -> Bool {
        if drainDeadline.hasPassed { return true }
        if !input.isEmpty { return false }
        return try input.receive(from: stream) != .bytes
    }
}

extension ResponseSerializer.Persistence {
    /// What has to be said about the connection behind the answer to a request.
    fileprivate static func after(_ request: Request, _ closes: Bool) -> Self {
        closes ? .closes : request.version == .http10 ? .announced : .implied
    }
}
