// A request as a handler sees it. One object serves all requests of a connection, one after the other, unless somebody keeps it: then the
// connection takes another, and what was kept stays as it was, without its body.
//
// Made, filled and taken back by ServerConnection; the router adds what the route's parameters are.
import SporkNet
import SporkTasks

/// A request: its head, and a body that comes as it is read.
public final class Request {
    package let head = RequestHead()
    // The connection's, while the request is being answered; unsafe only in that nobody counts it.
    @exclusivity(unchecked) unowned(unsafe) private(set) var connection: ServerConnection?
    @exclusivity(unchecked) var content = RequestContent()
    // What was decided about it and could not be answered at once, and where on the scoreboard it is named; not the connection's, because
    // silent connections are counted in bytes.
    @exclusivity(unchecked) var decision: HTTPServer.Decision?
    @exclusivity(unchecked) var place: Int?
    // Set when somebody waits until another coroutine has written.
    @exclusivity(unchecked) var writeEnd: Event?
    /// The decoded segments of the path, and which of them are the route's parameters.
    @exclusivity(unchecked) package var segments = PathSegments()
    @exclusivity(unchecked) package var parameters: [RouteParameter] = []

    /// A name for the request in logs, where a middleware has given it one.
    @exclusivity(unchecked) public var id: String?
    /// Who has shown to be whom, where a middleware has asked.
    @exclusivity(unchecked) public var user: String?

    package init() {}

    /// The method; `.unknown` for one that has no case of its own, see `methodName`.
    public var method: HTTPMethod { head.method }

    /// The method as it was sent.
    public var methodName: String {
        guard head.method == .unknown else { return head.method.rawValue }
        // Empty lines may stand before it.
        let start = head.bytes(RequestHead.Slice(0, Int(head.target.start) - 1))
        return String(decoding: start.drop { !$0.isTokenCharacter }, as: UTF8.self)
    }

    /// The version of HTTP that the client speaks.
    public var version: HTTPVersion { head.version }

    /// The target as it was sent: path and query, in one of the four forms (RFC 9112, 3.2).
    ///
    /// Where its bytes are not UTF-8, those beyond ASCII are percent-encoded.
    public var target: String {
        let bytes = head.bytes(head.target)
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        var text = ""
        for byte in bytes {
            if byte < 0x80 {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text.append(percentEncoding: byte)
            }
        }
        return text
    }

    /// The path, percent-decoded once, dot segments resolved; "*" for the server itself.
    ///
    /// A slash that was encoded cannot be told from others here; parameters of a route know the difference.
    public var path: String {
        if head.path.isEmpty { return "/" }
        return segments.isSplit ? segments.path : text(head.path)
    }

    /// The parameters behind the question mark.
    public var query: FormValues { FormValues(head.query.map { Array(head.bytes($0)) } ?? []) }

    /// The host and port that the client wants, from an absolute target or the Host field; nil for none.
    public var host: String? {
        if let authority = head.authority { return text(authority) }
        return head.value(.host).flatMap { $0.isEmpty ? nil : String(decoding: $0, as: UTF8.self) }
    }

    /// The fields of the head.
    public var headers: RequestHeaders { RequestHeaders(request: self) }

    /// The cookies that the client has sent (RFC 6265, 5.4); what is not written as cookies are is left out.
    public var cookies: Cookies { Cookies(headers.values("Cookie")) }

    /// The body, as a stream.
    public var body: RequestBody { RequestBody(request: self, limit: nil) }

    /// The fields behind a body in chunks, once that has been read to its end (RFC 9110, 6.5).
    public var trailers: Headers { Headers(content.decoder.trailers.map { Headers.Field($0.name, $0.value) }) }

    /// Where the request comes from; nil when the connection is gone.
    public var clientAddress: SocketAddress? { connection?.stream.peerAddress }

    /// Whether it came over TLS.
    public var isSecure: Bool { connection?.stream.tlsParameters != nil }

    /// The protocols that the client would change to, in its order of preference (RFC 9110, 7.8); none where it cannot.
    public var offeredUpgrades: [String] {
        guard version == .http11, !content.isExpected, let options = headers["Connection"] else { return [] }
        guard options.listElements.contains(where: { $0.isSameField(as: "upgrade") }) else { return [] }
        return headers.values("Upgrade").flatMap(\.listElements)
    }

    /// The part of the path that stands for `{name}` in the route; asking for one that the route does not have stops the process.
    public subscript(name: String) -> String {
        guard let value = parameter(name) else { preconditionFailure("the route has no parameter {\(name)}") }
        return value
    }

    /// The part of the path that stands for `{name}` in the route; nil where the route has none.
    public func parameter(_ name: String) -> String? {
        guard let parameter = parameters.first(where: { $0.name == name }) else { return nil }
        return parameter.isRest ? segments.rest(from: parameter.segment) : segments[parameter.segment]
    }

    /// Tells the client what it may fetch while the answer is made: 103 (RFC 8297).
    ///
    /// Does nothing for a client of HTTP/1.0, and when the answer has begun.
    ///
    /// - Parameter links: values of Link fields, such as `</style.css>; rel=preload; as=style`.
    public func sendEarlyHints(_ links: [String]) async throws {
        var headers = Headers()
        for link in links { headers.add("Link", link) }
        try await connection?.sendEarlyHints(headers, for: self)
    }

    /// Begins to be a request of `connection`, whose head has been read.
    func begin(on connection: ServerConnection) {
        self.connection = connection
        content.begin(head, limits: connection.server.configuration.bodyLimits)
        segments.removeAll()
        if !parameters.isEmpty { parameters = [] }
        if id != nil { id = nil }
        if user != nil { user = nil }
    }

    /// Has been answered: there is no more to read.
    func end() { connection = nil }

    func text(_ slice: RequestHead.Slice) -> String { String(decoding: head.bytes(slice), as: UTF8.self) }
}

/// The fields of a request's head; looked up where they lie.
///
/// Values are texts in UTF-8: where a client has sent bytes that are none (RFC 9110, 5.5), U+FFFD stands in their place.
public struct RequestHeaders: Sequence {
    let request: Request

    /// The value of a field, the first where there are several; nil where there is none.
    public subscript(name: String) -> String? {
        request.head.value(named: name).map { String(decoding: $0, as: UTF8.self) }
    }

    /// What the body is said to be, in lower case and without parameters; empty where nothing is said.
    package var mediaType: String {
        String((self["Content-Type"] ?? "").prefix { $0 != ";" && $0 != " " && $0 != "\t" }).lowercased()
    }

    /// All values of a field.
    public func values(_ name: String) -> [String] {
        (0..<request.head.fieldCount).compactMap { index in
            let field = request.head.field(at: index)
            return field.name.isSameToken(as: name) ? String(decoding: field.value, as: UTF8.self) : nil
        }
    }

    /// Goes through the fields in the order in which they were sent.
    public func makeIterator() -> IndexingIterator<[(name: String, value: String)]> {
        (0..<request.head.fieldCount).map { index in
            let field = request.head.field(at: index)
            return (String(decoding: field.name, as: UTF8.self), String(decoding: field.value, as: UTF8.self))
        }.makeIterator()
    }
}

extension String {
    /// The elements of a comma-separated list, trimmed, empty ones left out (RFC 9110, 5.6.1).
    nonisolated var listElements: [String] {
        var elements: [String] = []
        var text = self
        text.withUTF8 { bytes in
            UnsafeRawBufferPointer(bytes).forEachListElement { elements.append(String(decoding: $0, as: UTF8.self)) }
        }
        return elements
    }
}
