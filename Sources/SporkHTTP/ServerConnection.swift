// One client's connection: reads requests, has them answered in order, and decides when to close. HTTPServer makes it; the worker's
// StreamServer calls it for each burst of requests (ServerConnection+Bursts.swift), and tells it to drain. How a request is answered is in
// ServerConnection+Answers.swift and +Bodies.swift, how its content is read in +Content.swift.
//
// Invariants: answers leave in the order of the requests; whatever gathers in `output` is sent before anybody waits for input, and before a
// handler runs that may suspend; after a request that could not be understood nothing more is read as one.
import SporkLoop
import SporkNet
import SporkPrefork

final class ServerConnection: StreamHandler {
    let stream: SocketStream
    let server: HTTPServer
    @exclusivity(unchecked) var parser: RequestParser
    // There while the client is not silent. This is all one thread's, and none of it is touched by what it calls while it is in use.
    @exclusivity(unchecked) var request: Request?
    @exclusivity(unchecked) var input = InputBuffer()
    @exclusivity(unchecked) var output = OutputBuffer()
    @exclusivity(unchecked) private(set) var isDraining = false
    // While a handler's coroutine writes, another one of its may read the content of the request.
    @exclusivity(unchecked) var isWriting = false
    // Set when the last has been said, and only the client's end is awaited.
    @exclusivity(unchecked) private(set) var isLingering = false
    @exclusivity(unchecked) private var countedBytes = 0
    @exclusivity(unchecked) var burst = Burst()
    /// Whether the last burst had something to wait for; then the next one may, too.
    @exclusivity(unchecked) var keepsCoroutine = false
    // For a head that its client has only half sent, and may never finish; and for one that may be on its way.
    @exclusivity(unchecked) private(set) var drainDeadline = Deadline.never
    // Cancelled when the client goes, while events are sent: nobody reads then who would see it.
    @exclusivity(unchecked) var listener: AnyCoroutine?

    init(_ stream: SocketStream, of server: HTTPServer) {
        self.stream = stream
        self.server = server
        parser = RequestParser(limits: server.configuration.requestLimits)
        stream.writeLimit = server.writeTimeout
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

    /// Sends what has gathered where the socket takes all of it at once, as it nearly always does; nothing has to suspend for that.
    func sendAtOnce() throws(StreamError) -> Bool {
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
    func refuse(_ status: Status) async throws(StreamError) {
        let response = Response.page(status)
        ResponseSerializer.appendHead(of: response, .length(response.body.count ?? 0), .closes, to: &output)
        // HEAD's answer has no content, whatever it says; also where the request line is not even whole.
        let line = input.bytes.drop { $0 == 0x0D || $0 == 0x0A }
        let isHead = parser.isInFields ? request?.method == .head : line.starts(with: "HEAD ".utf8)
        if !isHead { try await send(response.body) }
        try await flush()
        await linger()
    }

    func beginLingering() {
        stream.shutdownWrite()
        input.consume(input.bytes.count)
        isLingering = !stream.isSecured
    }

    /// Has input read and dropped for a while after the last answer, because a close with unread input would make the kernel reset the
    /// connection, and the client might lose the answer (RFC 9112, 9.6).
    ///
    /// That is done without this connection's coroutine, where the stream is not secured.
    @inline(never)
    func linger() async {
        beginLingering()
        guard stream.isSecured else { return }
        let deadline = Deadline.after(seconds: server.lingerTimeout)
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
