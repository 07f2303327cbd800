// The answers that handlers make: texts, bytes, redirects, streams. Those that need a request to be right, such as files with
// ranges, are made elsewhere.
import SporkNet

extension Response {
    /// An answer without a body.
    public init(_ status: Status) { self.init(status, contentType: nil, body: .empty) }

    /// An answer with a text.
    public init(_ status: Status = .ok, text: String) {
        self.init(status, contentType: "text/plain; charset=utf-8", body: .text(text))
    }

    /// An answer with a page.
    ///
    /// What comes from elsewhere has to be escaped; see `String.escapedForHTML`.
    public init(_ status: Status = .ok, html: String) {
        self.init(status, contentType: "text/html; charset=utf-8", body: .text(html))
    }

    /// An answer with a JSON text, which is sent as it is.
    public init(_ status: Status = .ok, json: String) {
        self.init(status, contentType: "application/json", body: .text(json))
    }

    /// An answer with a JSON text that an encoder has made.
    public init(_ status: Status = .ok, json: some Sequence<UInt8>) {
        self.init(status, contentType: "application/json", body: .bytes(Array(json)))
    }

    /// An answer with bytes.
    public init(_ status: Status = .ok, bytes: [UInt8], type: String = MediaType.unknown) {
        self.init(status, contentType: nil, body: .bytes(bytes))
        headers["Content-Type"] = type
    }

    /// Sends the client elsewhere.
    ///
    /// - Parameters:
    ///   - location: where to, as a URI reference; bytes that none may have are percent-encoded.
    ///   - status: 303 unless it is said otherwise: the client shall get what is there (RFC 9110, 15.4.4).
    public static func redirect(to location: String, _ status: Status = .seeOther) -> Response {
        var encoded = ""
        for byte in location.utf8 {
            if byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "<"),
                byte != UInt8(ascii: ">")
            {
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                encoded.append(percentEncoding: CollectionOfOne(byte))
            }
        }
        return Response(status, fields: [Field("Location", encoded)])
    }

    /// An answer whose body is written while it is sent.
    ///
    /// `write` runs after the handler has returned, in the same coroutine; each of its writes waits until the client has taken it. It may
    /// read the request's body meanwhile. When it throws, the connection is closed, so that the client sees that the body is not whole.
    ///
    /// - Parameters:
    ///   - length: the length where it is known: exactly so much has to be written. Without, the body is sent in chunks, or to a client
    ///     of HTTP/1.0 until the connection is closed.
    ///   - write: writes the body; it is not called where none is to be sent, as to HEAD.
    public static func stream(
        _ status: Status = .ok,
        type: String = MediaType.unknown,
        length: Int? = nil,
        _ write: @escaping @MainActor (BodyWriter) async throws -> Void
    ) -> Response {
        var response = Response(status, contentType: nil, body: .stream(length: length, write))
        response.headers["Content-Type"] = type
        return response
    }

    /// Server-sent events (HTML, 9.2): an answer that goes on until `send` returns or the client goes.
    ///
    /// When the client has gone, or the server drains, what `send` waits for throws `CancellationError`.
    public static func events(_ send: @escaping @MainActor (EventWriter) async throws -> Void) -> Response {
        var response = Response(.ok, contentType: "text/event-stream", body: .events(send))
        response.headers.others = [Field("Cache-Control", "no-store")]
        return response
    }

    /// Changes to another protocol: 101, then the connection is the handler's until it returns (RFC 9110, 7.8).
    ///
    /// Only for a request that has asked for it; see `Request.offeredUpgrades`.
    public static func upgrade(
        to name: String,
        _ speak: @escaping @MainActor (SocketStream) async throws -> Void
    ) -> Response {
        var response = Response(.switchingProtocols, contentType: nil, body: .takeover(speak))
        response.headers["Upgrade"] = name
        return response
    }

    /// Answers CONNECT: 200, then the connection is the handler's until it returns (RFC 9110, 9.3.6).
    public static func tunnel(_ pump: @escaping @MainActor (SocketStream) async throws -> Void) -> Response {
        Response(.ok, contentType: nil, body: .takeover(pump))
    }
}

extension String {
    /// This text with the characters that mean something in HTML written as references.
    public nonisolated var escapedForHTML: String {
        var escaped = ""
        escaped.append(escapingHTML: self)
        return escaped
    }
}
