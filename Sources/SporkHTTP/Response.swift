// An answer, before it is bytes: a status, fields and a body. Made by handlers, written by ServerConnection. A head that
// never changes, such as a cached file's, is prepared once and only copied per request.
import SporkNet

/// The answer to a request.
public struct Response {
    /// A field of the head.
    ///
    /// Names are the program's own, so they are never escaped or checked.
    package struct Field {
        package var name: StaticString
        package var value: String

        package init(_ name: StaticString, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// What is sent behind the head.
    package enum Body {
        case empty
        case bytes([UInt8])
        /// A part of memory that never changes.
        case block(ByteBlock, Range<Int>)
        /// A part of a file, sent without passing through the process.
        case file(OpenFile, Range<Int>)

        package var count: Int {
            switch self {
            case .empty: 0
            case .bytes(let bytes): bytes.count
            case .block(_, let range), .file(_, let range): range.count
            }
        }
    }

    /// How it went.
    public var status: Status
    package var fields: [Field]
    package var body: Body
    /// Status line and fields as bytes, Content-Length included, in place of `status` and `fields`.
    ///
    /// What differs from request to request (Date, Connection) and the final empty line follow it.
    package var preparedHead: ByteBlock?
    /// Whether making it took so long that other connections are to be served before the next of this one.
    package var isExpensive = false

    /// An answer with a body of bytes.
    package init(_ status: Status, fields: [Field] = [], body: Body = .empty) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    /// An answer whose head is ready.
    package init(_ status: Status, preparedHead: ByteBlock, body: Body) {
        self.status = status
        fields = []
        self.body = body
        self.preparedHead = preparedHead
    }

    /// A short page that says what is wrong, for people.
    package static func page(_ status: Status, fields: [Field] = []) -> Response {
        let title = "\(status.code) \(status.reason)"
        let page = """
            <!doctype html>
            <html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>\(title)</title>
            <style>body{font:1rem/1.5 system-ui,sans-serif;margin:15vh auto;max-width:30rem;padding:0 1rem}</style>
            <h1>\(title)</h1>

            """
        let content = Field("Content-Type", "text/html; charset=utf-8")
        return Response(status, fields: fields + [content], body: .bytes(Array(page.utf8)))
    }
}
