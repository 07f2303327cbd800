// Requests as swift-http-types has them. The body stays what it is: a stream that belongs to the connection.
import HTTPTypes
import SporkHTTP

extension HTTPRequest {
    /// The head of a request, copied: it stays when the request has been answered.
    ///
    /// The Host field is the authority here, and no field (RFC 9113, 8.3.1).
    public init(_ request: Request) {
        var fields = HTTPFields(request.headers)
        if let host = HTTPField.Name("Host") { fields[host] = nil }
        guard let method = Method(request.methodName) else { preconditionFailure("the parser takes tokens only") }
        let isConnect = request.method == .connect
        self.init(
            method: method,
            scheme: isConnect ? nil : request.isSecure ? "https" : "http",
            authority: request.host,
            path: isConnect ? nil : Self.path(of: request),
            headerFields: fields
        )
    }

    /// Path and query as they were sent; those of an absolute target without its scheme and host.
    private static func path(of request: Request) -> String {
        let head = request.head
        let path = head.path.isEmpty ? "/" : String(decoding: head.bytes(head.path), as: UTF8.self)
        return head.query.map { "\(path)?\(String(decoding: head.bytes($0), as: UTF8.self))" } ?? path
    }
}

extension HTTPMethod {
    /// The method with this name; `.unknown` for one that has no case of its own.
    public init(_ method: HTTPRequest.Method) { self = HTTPMethod(rawValue: method.rawValue) ?? .unknown }
}
