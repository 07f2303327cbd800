// One client's connection: reads requests, has them answered in order, and decides when to close. HTTPServer makes it; the worker's
// StreamServer calls it for each burst of requests, and tells it to drain. How a request is answered is in ServerConnection+Answers.swift, how
// its content is read in ServerConnection+Content.swift.
//
// Invariants: answers leave in the order of the requests; whatever gathers in `output` is sent before anybody waits for input, and before a
// handler runs that may suspend; after a request that could not be understood nothing more is read as one.
import SporkLoop
import SporkNet
import SporkPrefork

final class ServerConnection: StreamHandler {
    let stream: SocketStream
    let server: HTTPServer
    @exclusivity(unchecked) private var parser: RequestParser
    // There while the client is not silent. This is all one thread's, and none of it is touched by what it calls while it is in use.
    @exclusivity(unchecked) private(set) var request: Request?
    @exclusivity(unchecked) var input = InputBuffer()
    @exclusivity(unchecked) var output = OutputBuffer()
    @exclusivity(unchecked) private(set) var isDraining = false
    // While a handler's coroutine writes, another one of its may read the content of the request.
    @exclusivity(unchecked) var isWriting = false
    // Set when the last has been said, and only the client's end is awaited.
    @exclusivity(unchecked) private var isLingering = false
    @exclusivity(unchecked) private var countedBytes = 0
    // For a head that its client has only half sent, and may never finish; and for one that may be on its way.
    @exclusivity(unchecked) private(set) var drainDeadline = Deadline.never
    // Cancelled when the client goes, while events are sent: nobody reads then who would see it.
    @exclusivity(unchecked) var listener: AnyCoroutine?

    init(_ stream: SocketStream, of server: HTTPServer) {
        self.stream = stream
        self.server = server
        parser = RequestParser(limits: server.configuration.requestLimits)
        stream.writeTimeout = server.configuration.writeTimeout
    }

    var configuration: HTTPServer.Configuration { server.configuration }

    /// Answers what has arrived, the last of it with `Connection: close`, or the next request if none has; closes soon when none comes or
    /// one does not get on.
    ///
    /// Events end: their client will come back to who is there then.
    package func drain() {
        isDraining = true
        drainDeadline = .after(configuration.drainTimeout)
        listener?.cancel()
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
        var head = beginBurst()
        while true {
            switch input.isEmpty ? .needMore : parser.advance(over: input.bytes, into: head) {
            case .head(let length):
                input.consume(length)
                parser.reset()
                deadline = .never
                // Nearly always the answer is there at once, and there is nothing to wait for.
                if let effort = answerAtOnce(request.unsafelyUnwrapped) {
                    answersInTurn += effort
                } else {
                    let (goesOn, effort) = try await answer(request.unsafelyUnwrapped)
                    guard goesOn else { return lastBurst() }
                    answersInTurn += effort
                }
                if !isKnownUniquelyReferenced(&request) { head = replaceRequest() }
                if answersInTurn >= configuration.mostAnswersInTurn {
                    answersInTurn = 0
                    try await letOthersGoFirst()
                }
            case .refuse(let refusal):
                try await refuse(refusal.status)
                return lastBurst()
            case .needMore where input.isEmpty:
                if !output.isEmpty, try !sendAtOnce() { try await flush() }
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
                guard try await receiveRest(until: deadline) else { return lastBurst() }
                answersInTurn = 0
            }
        }
    }

    private func beginBurst() -> RequestHead {
        if let request { return request.head }
        let taken = server.takeRequest()
        request = taken
        return taken.head
    }

    // Somebody has kept the request that was answered.
    @inline(never)
    private func replaceRequest() -> RequestHead {
        let taken = server.takeRequest()
        request = taken
        return taken.head
    }

    // What the connection needed for a request goes to the next one, unless somebody has kept it.
    private func lastBurst() -> StreamBurst {
        if isKnownUniquelyReferenced(&request), let request = request.take() { server.putBack(request) }
        return isLingering ? .linger(until: .after(configuration.lingerTimeout)) : .close
    }

    // What only a request needs goes back.
    private func fallSilent() -> StreamBurst {
        if let request = request.take() { server.putBack(request) }
        return .wait(until: isDraining ? drainDeadline : .after(seconds: server.keepAliveTimeout))
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

    /// Sends what has gathered where the socket takes all of it at once, as it nearly always does; nothing has to suspend for that.
    private func sendAtOnce() throws(StreamError) -> Bool {
        guard let sent = try stream.tryWriteWhole(output.bytes) else { return false }
        output.removeFirst(sent)
        countBytes()
        return output.isEmpty
    }

    @inline(never)
    func flush() async throws(StreamError) {
        if try sendAtOnce() { return }
        input.keep()
        isWriting = true
        var sent = 0
        // Also when this fails: one who is cancelled leaves the rest, and no more, to who writes next.
        defer {
            output.removeFirst(sent)
            endWriting()
        }
        while sent < output.count {
            if let count = try stream.tryWrite(UnsafeRawBufferPointer(rebasing: output.bytes[sent...])) {
                sent += count
            } else {
                try await stream.waitUntilWritable()
            }
        }
        // Through TLS the last record may not have left.
        if stream.isSecured { try await stream.write([UInt8]()) }
        countBytes()
    }

    func countBytes() {
        server.row?.count(bytesSent: stream.bytesSent - countedBytes)
        countedBytes = stream.bytesSent
    }

    /// Says what was wrong with a request and closes: where the next one would begin is unknown (RFC 9112, 2.2, 9.6).
    @inline(never)
    private func refuse(_ status: Status) async throws(StreamError) {
        let response = Response.page(status)
        ResponseSerializer.appendHead(of: response, .length(response.body.count ?? 0), .closes, to: &output)
        // HEAD's answer has no content, whatever it says; also where the request line is not even whole.
        let isHead = parser.isInFields ? request?.method == .head : input.bytes.starts(with: "HEAD ".utf8)
        if !isHead { try await send(response.body) }
        try await flush()
        await linger()
    }

    /// Has input read and dropped for a while after the last answer, because a close with unread input would make the kernel reset the
    /// connection, and the client might lose the answer (RFC 9112, 9.6).
    ///
    /// That is done without this connection's coroutine, where the stream is not secured.
    @inline(never)
    func linger() async {
        stream.shutdownWrite()
        input.consume(input.bytes.count)
        guard stream.isSecured else {
            isLingering = true
            return
        }
        let deadline = Deadline.after(configuration.lingerTimeout)
        do throws(StreamError) {
            while !deadline.hasPassed {
                switch try input.receive(from: stream) {
                case .endOfStream: return
                // Others are to be served meanwhile, however fast this one sends.
                case .bytes: await EventLoop.stepBack()
                case .nothingYet: try await stream.waitUntilReadable(until: deadline)
                }
                input.consume(input.bytes.count)
            }
        } catch {
            // The client is gone or too slow; it has had its answer.
        }
    }
}
