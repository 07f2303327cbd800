// One client's connection: reads requests, has them answered in order, and decides when to close. HTTPServer makes it; the worker's
// StreamServer calls it for each burst of requests, and tells it to drain.
//
// Invariants: answers leave in the order of the requests; whatever gathers in `output` is sent before anybody waits for input; after a request that could not be understood nothing more is read as one.
import SporkLoop
import SporkNet
import SporkPrefork

final class ServerConnection: StreamHandler {
    private let stream: SocketStream
    private let server: HTTPServer
    private var parser: RequestParser
    // There while the client is not silent.
    private var head: RequestHead?
    private var input = InputBuffer()
    private var output = OutputBuffer()
    private var isDraining = false
    private var countedBytes = 0
    // For a head that its client has only half sent, and may never finish; and for one that may be on its way.
    private var drainDeadline = Deadline.never

    init(_ stream: SocketStream, of server: HTTPServer) {
        self.stream = stream
        self.server = server
        parser = RequestParser(limits: server.configuration.requestLimits)
        stream.writeTimeout = server.configuration.writeTimeout
    }

    private var configuration: HTTPServer.Configuration { server.configuration }

    /// Answers what has arrived, the last of it with `Connection: close`, or the next request if none has; closes soon when none comes or
    /// one does not get on.
    package func drain() {
        isDraining = true
        drainDeadline = .after(configuration.drainTimeout)
        stream.interruptReader()
    }

    /// Answers the requests that have come, and waits for the rest of one that has begun.
    ///
    /// - Throws: when the peer is gone or does not take what is sent; there is nobody left to tell.
    package func serveBurst() async throws -> StreamBurst {
        // Set with the first byte of a request, for the whole head: a byte now and then does not buy more time.
        var deadline = Deadline.never
        var answersInTurn = 0
        var hasRead = false
        let head = head ?? server.takeHead()
        self.head = head
        while true {
            switch input.isEmpty ? .needMore : parser.advance(over: input.bytes, into: head) {
            case .head(let length):
                input.consume(length)
                parser.reset()
                deadline = .never
                let (goesOn, effort) = try await answer(head)
                guard goesOn else { return .close }
                answersInTurn += effort
                if answersInTurn >= configuration.mostAnswersInTurn {
                    answersInTurn = 0
                    try await letOthersGoFirst()
                }
            case .refuse(let refusal):
                try await refuse(refusal.status)
                return .close
            case .needMore where input.isEmpty:
                if !output.isEmpty { try await flush() }
                // Nearly always everything was read at once. Only when it drains is what may have come since still answered.
                if hasRead, !isDraining { return fallSilent() }
                switch try input.receive(from: stream) {
                case .bytes: hasRead = true
                case .endOfStream: return .close
                case .nothingYet: return fallSilent()
                }
                answersInTurn = 0
            case .needMore:
                if !output.isEmpty { try await flush() }
                input.keep()
                if deadline == .never { deadline = .after(configuration.headerTimeout) }
                guard try await receiveRest(until: deadline) else { return .close }
                answersInTurn = 0
            }
        }
    }

    // What only a request needs goes back.
    private func fallSilent() -> StreamBurst {
        if let head = head.take() { server.putBack(head) }
        return .wait(until: isDraining ? drainDeadline : .after(configuration.keepAliveTimeout))
    }

    /// Waits for more of a head that has begun.
    ///
    /// False when the connection is to be closed instead.
    @inline(never)
    private func receiveRest(until deadline: Deadline) async throws(StreamError) -> Bool {
        while true {
            do { try await stream.waitUntilReadable(until: min(deadline, drainDeadline)) } catch {
                guard error.reason == .timedOut else { throw error }
                try await refuse(.requestTimeout)
                return false
            }
            switch try input.receive(from: stream) {
            case .bytes: return true
            case .endOfStream: return false
            case .nothingYet: continue
            }
        }
    }

    /// A client that has sent many requests at once must not keep the others waiting.
    @inline(never)
    private func letOthersGoFirst() async throws(StreamError) {
        if !output.isEmpty { try await flush() }
        input.keep()
        await EventLoop.stepBack()
    }

    /// Answers a request.
    ///
    /// - Returns: whether the connection goes on, and how many cheap answers this one was worth.
    private func answer(_ head: RequestHead) async throws(StreamError) -> (goesOn: Bool, effort: Int) {
        guard let row = server.row else { return try await answerUncounted(head) }
        let place = row.beginRequest(head.requestText)
        defer {
            row.endRequest(place)
            countBytes()
        }
        return try await answerUncounted(head)
    }

    private func answerUncounted(_ head: RequestHead) async throws(StreamError) -> (goesOn: Bool, effort: Int) {
        let response = server.respond(head)
        // Before it is sent: no client has an answer that was not counted.
        server.row?.countRequest()
        // Nobody here reads content, so what follows it cannot be told from it.
        let hasContent = head.isChunked || (head.contentLength ?? 0) > 0
        // A client that has sent several at once gets all of them answered, but not for ever.
        let isLast = isDraining ? try isLastAnswer() : false
        let closes = !head.keepsAlive || hasContent || isLast
        let persistence: ResponseSerializer.Persistence =
            closes ? .closes : head.version == .http10 ? .announced : .implied
        ResponseSerializer.appendHead(of: response, persistence, to: &output)
        if head.method != .head { try await send(response.body) }
        if closes {
            if !output.isEmpty { try await flush() }
            let hasRest = !input.isEmpty || hasContent
            if try hasRest ? true : mayBeOnItsWay(response) { await linger() }
            return (false, 0)
        }
        if output.count >= OutputBuffer.usualSize { try await flush() }
        return (true, response.isExpensive ? configuration.mostAnswersInTurn : 1)
    }

    private func isLastAnswer() throws(StreamError) -> Bool {
        if drainDeadline.hasPassed { return true }
        if !input.isEmpty { return false }
        return try input.receive(from: stream) != .bytes
    }

    /// Whether a close might meet unread input: a client takes its time over a large answer, and may send something meanwhile.
    private func mayBeOnItsWay(_ response: Response) throws(StreamError) -> Bool {
        if response.body.count > configuration.mostGathered { return true }
        return try input.receive(from: stream) == .bytes
    }

    @inline(never)
    private func send(_ body: Response.Body) async throws(StreamError) {
        switch body {
        case .empty:
            break
        case .bytes(let bytes):
            output.append(bytes)
        case .block(let block, let range):
            let part = UnsafeRawBufferPointer(rebasing: block.bytes[range])
            if part.count <= configuration.mostGathered {
                output.append(part)
            } else {
                input.keep()
                try await stream.write(output.bytes, part)
                output.removeAll()
            }
        case .file(let file, let range):
            input.keep()
            if !output.isEmpty {
                try await stream.write(output.bytes, more: true)
                output.removeAll()
            }
            try await stream.sendFile(file.descriptor, from: range.lowerBound, count: range.count)
        }
    }

    @inline(never)
    private func flush() async throws(StreamError) {
        input.keep()
        try await stream.write(output.bytes)
        output.removeAll()
        countBytes()
    }

    private func countBytes() {
        server.row?.count(bytesSent: stream.bytesSent - countedBytes)
        countedBytes = stream.bytesSent
    }

    /// Says what was wrong with a request and closes: where the next one would begin is unknown (RFC 9112, 2.2, 9.6).
    @inline(never)
    private func refuse(_ status: Status) async throws(StreamError) {
        let response = Response.page(status)
        ResponseSerializer.appendHead(of: response, .closes, to: &output)
        try await send(response.body)
        try await flush()
        await linger()
    }

    /// Reads on for a while after the last answer, because a close with unread input would make the kernel reset the
    /// connection, and the client might lose the answer (RFC 9112, 9.6).
    @inline(never)
    private func linger() async {
        stream.shutdownWrite()
        let deadline = Deadline.after(configuration.lingerTimeout)
        do throws(StreamError) {
            while !deadline.hasPassed {
                input.consume(input.bytes.count)
                switch try input.receive(from: stream) {
                case .endOfStream: return
                // Others are to be served meanwhile, however fast this one sends.
                case .bytes: await EventLoop.stepBack()
                case .nothingYet: try await stream.waitUntilReadable(until: deadline)
                }
            }
        } catch {
            // The client is gone or too slow; it has had its answer.
        }
    }
}
