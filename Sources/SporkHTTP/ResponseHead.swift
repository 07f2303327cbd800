// The head of an answer as a client understands it: what ResponseHeadParser has found. How its content ends follows from it and from the request
// (RFC 9112, 6.3).

/// The head of an answer.
package nonisolated struct ResponseHead {
    /// How the end of the content is found.
    package enum Framing: Equatable {
        /// There is none.
        case none
        case length(Int)
        case chunked
        /// It ends with the connection.
        case untilClose
    }

    package var version = HTTPVersion.http11
    package var status = 0
    /// The phrase behind the status.
    package var reason = ""
    package var headers = Headers()
    package var framing = Framing.none
    /// Whether the server keeps the connection open behind it.
    package var keepsAlive = true

    package init() {}

    /// Whether another one follows (RFC 9110, 15.2); 101 is the last that is HTTP.
    package var isInterim: Bool { status < 200 && status != 101 }
}
