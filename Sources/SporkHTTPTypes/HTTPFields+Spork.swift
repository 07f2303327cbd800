// Fields between swift-http-types and Spork. A product of its own: who exchanges messages with other packages converts at the edge, once, and
// neither the server's hot path nor programs that need none of it know these types.
import HTTPTypes
import SporkHTTP

extension HTTPFields {
    /// The same fields, in their order.
    public init(_ headers: some Sequence<Headers.Field>) {
        self.init()
        for field in headers { append(field.name, field.value) }
    }

    /// The fields of a request as it came, in their order.
    public init(_ headers: RequestHeaders) {
        self.init()
        for field in headers { append(field.name, field.value) }
    }

    // Names are tokens on both sides.
    private mutating func append(_ name: String, _ value: String) {
        if let name = HTTPField.Name(name) { append(HTTPField(name: name, value: value)) }
    }
}

extension Headers {
    /// The same fields, in their order; pseudo fields of HTTP/2 are left out.
    public init(_ fields: HTTPFields) {
        self.init()
        for field in fields where !field.name.rawName.hasPrefix(":") { add(field.name.rawName, field.value) }
    }
}
