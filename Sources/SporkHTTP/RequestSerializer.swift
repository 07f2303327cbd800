// Turns the head of a client's request into bytes (RFC 9112, 3). What frames the message is written here and nowhere else, so no field of a program's
// can contradict it.
import SporkNet

enum RequestSerializer {
    /// How the server finds the end of the content.
    enum Framing: Equatable {
        /// There is none.
        case none
        case length(Int)
        case chunked
    }

    /// How a request's content is framed.
    static func framing(of request: ClientRequest) -> Framing {
        switch request.body {
        case .bytes(let bytes): .length(bytes.count)
        case .stream(let length?, _): .length(length)
        case .stream(nil, _): .chunked
        case .none:
            switch request.method {
            // Content means something with these: that there is none has to be said (RFC 9110, 8.6).
            case .post, .put, .patch: .length(0)
            default: .none
            }
        }
    }

    /// Appends request line, fields and the final empty line.
    static func appendHead(of request: ClientRequest, userAgent: String?, to output: inout OutputBuffer) {
        output.append(request.methodName)
        output.append(" ")
        output.append(request.isForServer ? "*" : request.url.target)
        output.append(" HTTP/1.1\r\n")
        if request.headers["Host"] == nil { ResponseSerializer.append("Host", request.url.authority, to: &output) }
        if let userAgent, request.headers["User-Agent"] == nil {
            ResponseSerializer.append("User-Agent", userAgent, to: &output)
        }
        for field in request.headers where !isOurs(field.name) {
            ResponseSerializer.append(field.name, field.value, to: &output)
        }
        switch framing(of: request) {
        case .none: break
        case .length(let length):
            output.append("Content-Length: ")
            output.append(decimal: length)
            output.append("\r\n")
        case .chunked: output.append("Transfer-Encoding: chunked\r\n")
        }
        if request.expectsContinue, framing(of: request).hasContent { output.append("Expect: 100-continue\r\n") }
        if request.closesConnection { output.append("Connection: close\r\n") }
        output.append("\r\n")
    }

    private static func isOurs(_ name: String) -> Bool {
        switch name.utf8.count {
        case 6: name.isSameField(as: "expect")
        case 10: name.isSameField(as: "connection")
        case 14: name.isSameField(as: "content-length")
        case 17: name.isSameField(as: "transfer-encoding")
        default: false
        }
    }
}

extension RequestSerializer.Framing {
    /// Whether anything is sent behind the head.
    var hasContent: Bool {
        switch self {
        case .none, .length(0): false
        case .length, .chunked: true
        }
    }
}
