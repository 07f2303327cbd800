// One request of HTTPClient and its answer: takes a connection, sends the request, reads the head of the answer. The answer's content is in
// ClientExchange+Content.swift. A request's body that is long, or written while it is sent, has a coroutine of its own: the server may answer meanwhile, and
// whoever reads the answer may have to go on before the server takes more.
//
// Invariants: a connection goes back to the client exactly once, to be used again only when both messages on it are whole; however this ends, the
// coroutine that sends is told.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks

final class ClientExchange {
    /// How far the request's body is.
    enum Upload {
        /// All of it has gone, or there is none.
        case whole
        case running(Coroutine<Void>)
        /// It was given up; the error is its own where the connection has nothing to do with it.
        case ended((any Error)?)
    }

    /// Bodies up to this many bytes leave together with the head.
    private static let mostGathered = 16 * 1024
    /// So many answers that announce another one are read over.
    private static let mostInterim = 32

    let client: HTTPClient
    let request: ClientRequest
    /// When all of it has to be over.
    var deadline: Deadline
    /// The connection, until the exchange is over.
    private(set) var connection: ClientConnection?
    private(set) var head = ResponseHead()
    private(set) var upload = Upload.whole
    var content = BodyDecoder(length: 0)
    /// Whether nobody wants the rest of the content.
    var isAbandoned = false
    /// Whether a coroutine waits for more of it.
    var isAwaited = false
    /// Why it cannot go on.
    private(set) var failure: (any Error)?

    private var writer: ClientBodyWriter?
    // Set when the server has said that it wants the body, or has not said anything for long enough.
    private let goAhead = Event()
    private var hasReceived = false

    init(_ request: ClientRequest, of client: HTTPClient) throws {
        self.client = client
        self.request = request
        deadline = .fromNow(request.timeout ?? client.configuration.requestTimeout)
        if let why = request.unfitness { throw error(.unfit(why)) }
    }

    /// Sends the request and reads the head of its answer.
    ///
    /// Where a connection that was silent turns out to be closed, and nothing of an answer has come, the request is sent once more on a fresh one, if it
    /// may be repeated (RFC 9112, 9.3.1).
    func run() async throws {
        var isRepeated = false
        while true {
            let connection = try await client.takeConnection(for: self, fresh: isRepeated)
            self.connection = connection
            do {
                try await ask(on: connection)
                head = try await readHead(on: connection)
                break
            } catch {
                let error = translated(error)
                fail(error)
                let isStale = connection.served > 0 && !hasReceived && Self.isClosed(error)
                guard isStale, !isRepeated, request.mayBeRepeated else { throw error }
                (isRepeated, failure) = (true, nil)
            }
        }
        if request.expectsContinue, !goAhead.isSet { stopUpload() }
        beginContent()
    }

    /// An error of this request.
    func error(_ reason: ClientError.Reason) -> ClientError {
        ClientError(reason, request.methodName, request.url.description)
    }

    /// Gives the connection back when both messages are whole, to be used again if that is possible.
    func finish() {
        guard let connection else { return }
        var isWhole = writer?.isWhole ?? true
        if case .ended = upload { isWhole = false }
        self.connection = nil
        stopUpload()
        let lasts = head.keepsAlive && head.framing != .untilClose && !request.closesConnection
        // Bytes behind the answer belong to no answer.
        guard isWhole, lasts, connection.input.isEmpty, connection.output.isEmpty, !connection.stream.isClosed else {
            return client.discard(connection)
        }
        connection.served += 1
        client.release(connection)
    }

    /// Ends the exchange where it is; the connection cannot be used again.
    func fail(_ error: any Error) {
        if failure == nil { failure = error }
        stopUpload()
        guard let connection = connection.take() else { return }
        client.discard(connection)
    }

    /// Sends a piece of the request's body.
    func send(_ bytes: ArraySlice<UInt8>, asChunk: Bool) async throws {
        guard let connection else { throw BodyError.ended }
        if asChunk {
            connection.output.append(hexadecimal: bytes.count)
            connection.output.append("\r\n")
        }
        var rest = bytes
        while !rest.isEmpty {
            let part = rest.prefix(max(1, OutputBuffer.usualSize - connection.output.count - 2))
            part.withUnsafeBytes { connection.output.append($0) }
            rest = rest.dropFirst(part.count)
            if asChunk, rest.isEmpty { connection.output.append("\r\n") }
            try await flush(connection)
        }
    }

    /// Sends the end of a request's body in chunks.
    func sendLastChunk() async throws {
        guard let connection else { throw BodyError.ended }
        connection.output.append("0\r\n\r\n")
        try await flush(connection)
    }

    /// What callers are told.
    func translated(_ error: any Error) -> any Error {
        if case .ended(let own?) = upload { return own }
        if let error = error as? any CancellationReport, error.isCancellation { return CancellationError() }
        guard let error = error as? StreamError else { return error }
        switch error.reason {
        case .timedOut: return self.error(.timedOut(deadline.isOver ? .request : .body))
        case .truncated: return self.error(hasReceived ? .endedEarly : .noAnswer)
        default: return self.error(.connection(error))
        }
    }

    private func ask(on connection: ClientConnection) async throws {
        RequestSerializer.appendHead(of: request, userAgent: client.configuration.userAgent, to: &connection.output)
        (upload, writer) = (.whole, nil)
        if RequestSerializer.framing(of: request).hasContent {
            if case .bytes(let bytes) = request.body, bytes.count <= Self.mostGathered, !request.expectsContinue {
                connection.output.append(bytes)
            } else {
                return try await startUpload(on: connection)
            }
        }
        try await flush(connection)
    }

    private func startUpload(on connection: ClientConnection) async throws {
        let writer = ClientBodyWriter(self, RequestSerializer.framing(of: request))
        self.writer = writer
        try await flush(connection)
        upload = .running(
            spawn("send the body of \(request.methodName) \(request.url)") { [self] in
                do {
                    if request.expectsContinue {
                        _ = try await goAhead.wait(within: client.configuration.continueTimeout)
                        guard case .running = upload else { return }
                        goAhead.set()
                    }
                    switch request.body {
                    case .none: break
                    case .bytes(let bytes): try await writer.write(bytes[...])
                    case .stream(_, let write): try await write(writer)
                    }
                    try await writer.end()
                    uploadEnded(.whole)
                } catch { uploadEnded(.ended(writer.isBroken ? nil : error)) }
            }
        )
    }

    private func uploadEnded(_ result: Upload) {
        guard case .running = upload else { return }
        upload = result
        if case .ended(_?) = result {
            // The server would wait for the rest.
            connection?.stream.close()
        } else {
            // From now on the answer is due; or the server has closed, and may have said why.
            connection?.stream.interruptReader()
        }
    }

    private func stopUpload() {
        writer?.detach()
        guard case .running(let coroutine) = upload else { return }
        upload = .ended(nil)
        coroutine.cancel()
    }

    private func flush(_ connection: ClientConnection) async throws(StreamError) {
        try await connection.flush(within: client.configuration.bodyTimeout, until: deadline)
    }

    private func readHead(on connection: ClientConnection) async throws -> ResponseHead {
        var parser = ResponseHeadParser(for: request.method, limits: client.configuration.headLimits)
        var (due, interim) = (Deadline.never, 0)
        while true {
            switch parser.advance(over: connection.input.bytes) {
            case .head(let head, let length):
                connection.input.consume(length)
                guard head.isInterim else {
                    guard head.status != 101 else {
                        throw error(.malformedAnswer("the protocol changes unasked"))
                    }
                    return head
                }
                interim += 1
                guard interim <= Self.mostInterim else { throw error(.malformedAnswer("too many interim answers")) }
                if head.status == 100 { goAhead.set() }
                parser.reset()
            case .malformed(let reason):
                throw error(.malformedAnswer("\(reason)"))
            case .needMore:
                connection.input.keep()
                if case .running = upload {
                } else if due == .never {
                    due = .fromNow(client.configuration.headTimeout)
                }
                try await receive(on: connection, until: due)
            }
        }
    }

    // Returns also when nothing has come, because something else has changed.
    private func receive(on connection: ClientConnection, until due: Deadline) async throws {
        do { try await connection.stream.waitUntilReadable(until: min(due, deadline)) } catch {
            guard error.reason == .timedOut else { throw error }
            throw self.error(.timedOut(deadline.isOver ? .request : .head))
        }
        switch try connection.input.receive(from: connection.stream) {
        case .bytes: hasReceived = true
        case .nothingYet: break
        case .endOfStream: throw error(hasReceived ? .endedEarly : .noAnswer)
        }
    }

    private static func isClosed(_ error: any Error) -> Bool {
        switch (error as? ClientError)?.reason {
        case .noAnswer: true
        case .connection(let error): [.system(number: EPIPE), .system(number: ECONNRESET)].contains(error.reason)
        default: false
        }
    }
}
