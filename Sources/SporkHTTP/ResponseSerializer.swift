// Turns the head of an answer into bytes at the end of a connection's output. Allocates nothing for a prepared head.
//
// Framing: every answer carries Content-Length, except those that must not (1xx, 204, 304; RFC 9110, 8.6), so a
// connection is never closed only to end a body.
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
    }

    /// Appends status line, fields and the final empty line.
    package static func appendHead(
        of response: Response,
        _ persistence: Persistence,
        to output: inout OutputBuffer
    ) {
        if let prepared = response.preparedHead {
            output.append(prepared.bytes)
        } else {
            appendStatusAndFields(response.status, response.fields, contentLength: response.body.count, to: &output)
        }
        DateLine.append(to: &output)
        switch persistence {
        case .implied: output.append("\r\n")
        case .announced: output.append("Connection: keep-alive\r\n\r\n")
        case .closes: output.append("Connection: close\r\n\r\n")
        }
    }

    /// Appends what can be prepared once: all but Date, Connection and the empty line.
    package static func appendStatusAndFields(
        _ status: Status,
        _ fields: [Response.Field],
        contentLength: Int,
        to output: inout OutputBuffer
    ) {
        output.append("HTTP/1.1 ")
        output.append(decimal: Int(status.code))
        output.append(" ")
        output.append(status.reason)
        output.append("\r\nServer: spork\r\n")
        for field in fields {
            output.append(field.name)
            output.append(": ")
            output.append(field.value)
            output.append("\r\n")
        }
        if status.allowsContent {
            output.append("Content-Length: ")
            output.append(decimal: contentLength)
            output.append("\r\n")
        }
    }
}

extension Status {
    /// Whether an answer with this status may say how long its content is, and have any (RFC 9110, 6.4.1, 8.6).
    package var allowsContent: Bool { code >= 200 && code != 204 && code != 304 }
}

/// The Date field, written once a second.
enum DateLine {
    private static var second = 0
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
