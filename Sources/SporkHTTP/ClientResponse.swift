// The answer to a request of HTTPClient: its head, and a body that comes as it is read. When the object goes, what is left of the body is given up.

/// An answer from a server.
public final class ClientResponse {
    /// How the request went; with the usual phrase where the status has one.
    public let status: Status
    /// The phrase that the server has sent, which means nothing.
    public let reason: String
    /// The version of HTTP that the server speaks.
    public let version: HTTPVersion
    /// The fields, in the order in which they came; U+FFFD stands for bytes that are not UTF-8.
    public let headers: Headers
    /// The URL that was asked for.
    public let url: HTTPURL

    let exchange: ClientExchange

    init(_ exchange: ClientExchange) {
        self.exchange = exchange
        let head = exchange.head
        status = Status(code: UInt16(clamping: head.status))
        reason = head.reason
        version = head.version
        headers = head.headers
        url = exchange.request.url
    }

    deinit {
        let exchange = exchange
        MainActor.assumeIsolated { exchange.abandon() }
    }

    /// The body, as a stream.
    public var body: ClientResponseBody { ClientResponseBody(response: self) }

    /// The fields behind a body in chunks, once that has been read to its end (RFC 9110, 6.5).
    public var trailers: Headers { Headers(exchange.content.trailers.map { Headers.Field($0.name, $0.value) }) }
}
