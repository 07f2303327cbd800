// Turns the head of an answer into bytes at the end of a connection's output. Allocates nothing for a prepared head.
//
// Framing: an answer carries Content-Length where its length is known, chunks where it is not, and neither where it must not (1xx, 204,
// 304, 2xx to CONNECT; RFC 9110, 8.6, RFC 9112, 6.1). Only to a client of HTTP/1.0 is a body ever ended by closing the connection.
import SporkLoop
import SporkNet

package enum ResponseSerializer {
    /// What the connection will do after the answer, and so has to announce (RFC 9112, 9.3).
    package enum Persistence {
        /// Stays open, as HTTP/1.1 does by itself.
        case implied
        /// Stays open, which an HTTP/1.0 client has asked for and has to be told.
        case announced
        /// Closes.
        case closes
        /// Is not HTTP's any more.
        case changes
    }

    /// How the client finds the end of the content.
    package enum Framing {
        /// There is none, and may be none.
        case none
        case length(Int)
        case chunked
        case untilClose
    }

    /// Appends status line, fields and the final empty line.
    package static func appendHead(
        of response: Response,
        _ framing: Framing,
        _ persistence: Persistence,
        to output: inout OutputBuffer
    ) {
        if let prepared = response.preparedHead {
            output.append(prepared.bytes)
            DateLine.append(to: &output)
        } else {
            appendStatusAndFields(response.status, response.headers, framing, to: &output)
            if !response.headers.others.has("date") { DateLine.append(to: &output) }
        }
        switch persistence {
        case .implied: output.append(literal: "\r\n")
        case .announced: output.append(literal: "Connection: keep-alive\r\n\r\n")
        case .closes: output.append(literal: "Connection: close\r\n\r\n")
        case .changes: output.append(literal: response.status.code == 101 ? "Connection: Upgrade\r\n\r\n" : "\r\n")
        }
    }

    /// Appends what can be prepared once: all but Date, Connection and the empty line.
    package static func appendStatusAndFields(
        _ status: Status,
        _ headers: Headers,
        _ framing: Framing,
        to output: inout OutputBuffer
    ) {
        let namesServer = headers.others.has("server")
        if status.code == 200 {
            output.append(literal: namesServer ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 200 OK\r\nServer: spork\r\n")
        } else {
            output.append(literal: "HTTP/1.1 ")
            output.append(decimal: Int(status.code))
            output.append(literal: " ")
            output.append(literal: status.reason)
            output.append(literal: namesServer ? "\r\n" : "\r\nServer: spork\r\n")
        }
        if let type = headers.contentType {
            output.append(literal: "Content-Type: ")
            output.append(type)
            output.append(literal: "\r\n")
        }
        for field in headers.others where !isOurs(field.name) { append(field.name, field.value, to: &output) }
        switch framing {
        case .none, .untilClose: break
        case .length(let length):
            output.append(literal: "Content-Length: ")
            output.append(decimal: length)
            output.append(literal: "\r\n")
        case .chunked: output.append(literal: "Transfer-Encoding: chunked\r\n")
        }
    }

    /// Appends an answer before the final one (RFC 9110, 15.2): 100 or 103, with the fields of the latter.
    static func appendInterim(_ status: Status, _ headers: Headers, to output: inout OutputBuffer) {
        output.append(literal: "HTTP/1.1 ")
        output.append(decimal: Int(status.code))
        output.append(literal: " ")
        output.append(literal: status.reason)
        output.append(literal: "\r\n")
        for field in headers { append(field.name, field.value, to: &output) }
        output.append(literal: "\r\n")
    }

    /// Appends a field line.
    static func append(_ name: String, _ value: String, to output: inout OutputBuffer) {
        output.append(name)
        output.append(literal: ": ")
        output.append(value)
        output.append(literal: "\r\n")
    }

    /// Whether a field is the server's to write: a handler that sets it, too, would make the message ambiguous.
    static func isOurs(_ name: String) -> Bool {
        switch name.utf8.count {
        case 10: name.isSameField(as: "connection")
        case 14: name.isSameField(as: "content-length")
        case 17: name.isSameField(as: "transfer-encoding")
        default: false
        }
    }
}

extension [Headers.Field] {
    /// Whether there is a field with this name, which is in lower case.
    fileprivate func has(_ name: String) -> Bool { contains { $0.name.isSameField(as: name) } }
}

extension Status {
    /// Whether an answer with this status may say how long its content is, and have any (RFC 9110, 6.4.1, 8.6).
    package var allowsContent: Bool { code >= 200 && code != 204 && code != 304 }
}

/// The Date field, written once a second.
enum DateLine {
    @exclusivity(unchecked) private static var second = 0
    private static let line: UnsafeMutableRawBufferPointer = {
        let line = UnsafeMutableRawBufferPointer.allocate(byteCount: 37, alignment: 8)
        line.copyBytes(from: "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n".utf8)
        return line
    }()

    /// Appends the line for the loop's present time (RFC 9110, 6.6.1).
    static func append(to output: inout OutputBuffer) {
        let now = Int(EventLoop.wallClock)
        if now != second {
            second = now
            HTTPDate.format(now, into: UnsafeMutableRawBufferPointer(rebasing: line[6..<35]))
        }
        output.append(UnsafeRawBufferPointer(line))
    }
}
