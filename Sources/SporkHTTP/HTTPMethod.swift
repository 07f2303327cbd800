// Request methods, as the parser finds them and handlers ask for them.

/// What a request asks for (RFC 9110, 9).
public nonisolated enum HTTPMethod: String, Sendable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case delete = "DELETE"
    case options = "OPTIONS"
    case patch = "PATCH"
    case trace = "TRACE"
    case connect = "CONNECT"
    /// A token that is none of these; methods are case-sensitive.
    case unknown = ""

    /// The method with this name.
    package init(_ name: UnsafeRawBufferPointer) {
        switch name.count {
        case 3 where name.isEqual("GET"): self = .get
        case 3 where name.isEqual("PUT"): self = .put
        case 4 where name.isEqual("HEAD"): self = .head
        case 4 where name.isEqual("POST"): self = .post
        case 5 where name.isEqual("PATCH"): self = .patch
        case 5 where name.isEqual("TRACE"): self = .trace
        case 6 where name.isEqual("DELETE"): self = .delete
        case 7 where name.isEqual("OPTIONS"): self = .options
        case 7 where name.isEqual("CONNECT"): self = .connect
        default: self = .unknown
        }
    }
}

/// The versions that are spoken.
public nonisolated enum HTTPVersion: Sendable {
    case http10
    case http11
}
