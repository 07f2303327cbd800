// An answer, before it is bytes: a status, fields and a body. Made by handlers, written by ServerConnection. A head that
// never changes, such as a cached file's, is prepared once and only copied per request.
import SporkNet

/// The answer to a request.
public struct Response {
    package typealias Field = Headers.Field

    /// What is sent behind the head.
    package enum Body {
        case empty
        case text(String)
        case bytes([UInt8])
        /// A part of memory that never changes.
        case block(ByteBlock, Range<Int>)
        /// A part of a file, sent without passing through the process.
        case file(OpenFile, Range<Int>)
        /// One behind the other; each has a length.
        case pieces([Body])
        /// What a program writes, with the length where it is known before.
        case stream(length: Int?, @MainActor (BodyWriter) async throws -> Void)
        /// Server-sent events: a stream that ends when its client goes.
        case events(@MainActor (EventWriter) async throws -> Void)
        /// From here on the connection is the program's.
        case takeover(@MainActor (SocketStream) async throws -> Void)

        /// Its length; nil where that is only known when it ends.
        package var count: Int? {
            switch self {
            case .empty, .takeover: 0
            case .text(let text): text.utf8.count
            case .bytes(let bytes): bytes.count
            case .block(_, let range), .file(_, let range): range.count
            case .pieces(let pieces): pieces.reduce(0) { $0 + ($1.count ?? 0) }
            case .stream(let length, _): length
            case .events: nil
            }
        }
    }

    /// How it went.
    public var status: Status
    /// The fields, without those that the server writes itself: Connection, Content-Length and Transfer-Encoding, and Date and Server where they are not
    /// here (RFC 9110, 6.6.1: who passes an answer on leaves its Date).
    public var headers: Headers
    /// Whether the connection is closed behind it; it may be without, too.
    public var closesConnection = false
    package var body: Body
    /// Status line and fields as bytes, Content-Length included, in place of `status` and `fields`.
    ///
    /// What differs from request to request (Date, Connection) and the final empty line follow it.
    package var preparedHead: ByteBlock?
    /// Whether making it took so long that other connections are to be served before the next of this one.
    package var isExpensive = false

    package init(_ status: Status, fields: [Field] = [], body: Body = .empty) {
        self.status = status
        headers = Headers(fields)
        self.body = body
    }

    /// An answer whose head is ready.
    package init(_ status: Status, preparedHead: ByteBlock, body: Body) {
        self.status = status
        headers = Headers()
        self.body = body
        self.preparedHead = preparedHead
    }

    package init(_ status: Status, contentType: String?, body: Body) {
        self.status = status
        headers = Headers(contentType: contentType)
        self.body = body
    }

    /// A short page that says what is wrong, for people.
    package static func page(_ status: Status, _ message: String = "", fields: [Field] = []) -> Response {
        let title = "\(status.code) \(status.reason)"
        var page = """
            <!doctype html>
            <html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>\(title)</title>
            <style>body{font:1rem/1.5 system-ui,sans-serif;margin:15vh auto;max-width:30rem;padding:0 1rem}</style>
            <h1>\(title)</h1>

            """
        if !message.isEmpty {
            page += "<p>"
            page.append(escapingHTML: message)
            page += "</p>\n"
        }
        let content = Field("Content-Type", "text/html; charset=utf-8")
        return Response(status, fields: fields + [content], body: .text(page))
    }
}
