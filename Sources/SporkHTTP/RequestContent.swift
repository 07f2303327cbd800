// Where the server is in the content of a request: what has come, what may still come, and how fast. A value that the connection keeps with
// the request; see ServerConnection+Content.swift for who moves it.
import SporkLoop

/// The progress of one request's content.
struct RequestContent {
    /// Finds the content; complete where there is none.
    var decoder = BodyDecoder(length: 0)
    /// Whether the head has announced any.
    private(set) var isExpected = false
    /// What the head said of its length; nil for chunks.
    private(set) var length: Int?
    /// Whether the client waits to be told before it sends.
    var awaitsContinue = false
    /// Whether the final answer has begun: the client is not told to go on any more (RFC 9110, 10.1.1).
    var isAnswered = false
    /// Whether the request's answer is there, and what is left of its content nobody's but the connection's.
    var isTakenBack = false
    /// Whether a coroutine waits for more of it.
    var isAwaited = false
    /// Whether it has been found not to be readable, or has not come.
    var hasFailed = false
    /// How much was read.
    var received = 0
    // How long the client was waited for, in seconds: the time that handlers take is not the client's.
    private var waited = 0.0

    mutating func begin(_ head: RequestHead, limits: BodyLimits) {
        isExpected = head.isChunked || (head.contentLength ?? 0) > 0
        length = head.isChunked ? nil : head.contentLength ?? 0
        (awaitsContinue, isAnswered, isTakenBack, isAwaited, hasFailed) = (false, false, false, false, false)
        (received, waited) = (0, 0)
        guard isExpected else {
            if !decoder.isComplete || !decoder.trailers.isEmpty { decoder = BodyDecoder(length: 0) }
            return
        }
        decoder = head.isChunked ? BodyDecoder(chunkedWith: limits) : BodyDecoder(length: head.contentLength ?? 0)
        // One who speaks HTTP/1.0 does not know what 100 is (RFC 9110, 10.1.1).
        awaitsContinue = head.has(.expect) && head.version == .http11
    }

    /// How many seconds the next wait for the client may take.
    func patience(_ configuration: HTTPServer.Configuration) -> Double {
        let allowed = configuration.bodyGrace.seconds + Double(received) / Double(configuration.leastBodyRate)
        return max(0, min(configuration.bodyTimeout.seconds, allowed - waited))
    }

    /// Counts a wait for the client.
    mutating func hasWaited(_ seconds: Double) { waited += seconds }
}
