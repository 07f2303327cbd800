// Answers between swift-http-types and Spork.
import HTTPTypes
import SporkHTTP

extension HTTPResponse {
    /// Status and fields of an answer, without those that the server writes itself: Date, Server, Connection and how long the body is.
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
    public init(_ status: HTTPResponse.Status) {
        let code = UInt16(status.code)
        self = Self.usual.first { $0.code == code } ?? SporkHTTP.Status(code, "")
    }

    private nonisolated static var usual: [SporkHTTP.Status] {
        [
            .ok, .created, .accepted, .noContent, .partialContent, .movedPermanently, .found, .seeOther, .notModified,
            .temporaryRedirect, .permanentRedirect, .badRequest, .unauthorized, .forbidden, .notFound,
            .methodNotAllowed, .notAcceptable, .requestTimeout, .conflict, .gone, .preconditionFailed,
            .contentTooLarge, .uriTooLong, .unsupportedMediaType, .rangeNotSatisfiable, .expectationFailed,
            .misdirectedRequest, .unprocessableContent, .upgradeRequired, .tooManyRequests, .fieldsTooLarge,
            .internalServerError, .notImplemented, .badGateway, .serviceUnavailable, .gatewayTimeout,
            .versionNotSupported,
        ]
    }
}
