// Answers between swift-http-types and Spork.
import HTTPTypes
import SporkHTTP

extension HTTPResponse {
    /// Status and fields of an answer, without those that the server writes itself: Connection and how long the body is, and Date and Server where the
    /// answer has none.
    public init(_ response: Response) {
        self.init(
            status: Status(code: Int(response.status.code), reasonPhrase: "\(response.status.reason)"),
            headerFields: HTTPFields(response.headers)
        )
    }
}

extension Response {
    /// An answer with this status and these fields.
    ///
    /// Its reason phrase, which means nothing to anybody, is the usual one for its code, or none.
    public init(_ response: HTTPResponse, bytes: [UInt8] = []) {
        self.init(SporkHTTP.Status(response.status), bytes: bytes)
        headers = Headers(response.headerFields)
    }
}

extension SporkHTTP.Status {
    /// The same code.
    public init(_ status: HTTPResponse.Status) { self.init(code: UInt16(status.code)) }
}
