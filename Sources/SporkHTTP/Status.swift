// Status codes with their reason phrases (RFC 9110, 15).

/// How a request went: a code from 100 to 599 and a phrase for people.
public nonisolated struct Status: Equatable, Sendable {
    /// The code.
    public let code: UInt16
    /// The phrase behind it, which clients ignore.
    public let reason: StaticString

    /// A status with any code.
    public init(_ code: UInt16, _ reason: StaticString) {
        self.code = code
        self.reason = reason
    }

    /// Codes decide; phrases are for people.
    public static func == (left: Status, right: Status) -> Bool { left.code == right.code }
}

nonisolated extension Status {
    /// Go on with the body (RFC 9110, 15.2.1).
    package static var `continue`: Status { Status(100, "Continue") }
    /// The connection speaks another protocol from here on (15.2.2).
    public static var switchingProtocols: Status { Status(101, "Switching Protocols") }
    /// What the client may fetch meanwhile (RFC 8297).
    public static var earlyHints: Status { Status(103, "Early Hints") }
    /// The request succeeded (RFC 9110, 15.3.1).
    public static var ok: Status { Status(200, "OK") }
    /// Something new is there (15.3.2).
    public static var created: Status { Status(201, "Created") }
    /// It will be done later (15.3.3).
    public static var accepted: Status { Status(202, "Accepted") }
    /// It succeeded, and there is nothing to send (15.3.5).
    public static var noContent: Status { Status(204, "No Content") }
    /// It succeeded, and the form is to be emptied; there is nothing to send (15.3.6).
    public static var resetContent: Status { Status(205, "Reset Content") }
    /// A part of the file, as asked for (15.3.7).
    public static var partialContent: Status { Status(206, "Partial Content") }
    /// It is to be found elsewhere, for good (15.4.2).
    public static var movedPermanently: Status { Status(301, "Moved Permanently") }
    /// It is to be found elsewhere, for now (15.4.3).
    public static var found: Status { Status(302, "Found") }
    /// What came of it is to be got elsewhere (15.4.4).
    public static var seeOther: Status { Status(303, "See Other") }
    /// The client has it already (15.4.5).
    public static var notModified: Status { Status(304, "Not Modified") }
    /// It is to be asked for elsewhere with the same method, for now (15.4.8).
    public static var temporaryRedirect: Status { Status(307, "Temporary Redirect") }
    /// It is to be asked for elsewhere with the same method, for good (15.4.9).
    public static var permanentRedirect: Status { Status(308, "Permanent Redirect") }
    /// The request is malformed (15.5.1).
    public static var badRequest: Status { Status(400, "Bad Request") }
    /// The client has to say who it is (15.5.2).
    public static var unauthorized: Status { Status(401, "Unauthorized") }
    /// Understood, and refused (15.5.4).
    public static var forbidden: Status { Status(403, "Forbidden") }
    /// There is nothing here (15.5.5).
    public static var notFound: Status { Status(404, "Not Found") }
    /// Known, but not for this target; `Allow` says which are (15.5.6).
    public static var methodNotAllowed: Status { Status(405, "Method Not Allowed") }
    /// Nothing that the client accepts can be made (15.5.7).
    public static var notAcceptable: Status { Status(406, "Not Acceptable") }
    /// The request did not arrive in time (15.5.9).
    public static var requestTimeout: Status { Status(408, "Request Timeout") }
    /// It does not go with the present state (15.5.10).
    public static var conflict: Status { Status(409, "Conflict") }
    /// It was here, and is gone for good (15.5.11).
    public static var gone: Status { Status(410, "Gone") }
    /// A condition of the request does not hold (15.5.13).
    public static var preconditionFailed: Status { Status(412, "Precondition Failed") }
    /// The body is longer than its limit (15.5.14).
    public static var contentTooLarge: Status { Status(413, "Content Too Large") }
    /// The request line is longer than its limit (15.5.15).
    public static var uriTooLong: Status { Status(414, "URI Too Long") }
    /// The body is of a kind that is not taken here (15.5.16).
    public static var unsupportedMediaType: Status { Status(415, "Unsupported Media Type") }
    /// Nothing of the file lies in the range (15.5.17).
    public static var rangeNotSatisfiable: Status { Status(416, "Range Not Satisfiable") }
    /// An `Expect` field that means nothing here (15.5.18).
    public static var expectationFailed: Status { Status(417, "Expectation Failed") }
    /// The request is for another server (15.5.20).
    public static var misdirectedRequest: Status { Status(421, "Misdirected Request") }
    /// The body is well-formed and makes no sense (15.5.21).
    public static var unprocessableContent: Status { Status(422, "Unprocessable Content") }
    /// Another protocol has to be spoken; `Upgrade` says which (15.5.22).
    public static var upgradeRequired: Status { Status(426, "Upgrade Required") }
    /// More requests than are allowed (RFC 6585, 4).
    public static var tooManyRequests: Status { Status(429, "Too Many Requests") }
    /// The fields are longer, or more, than their limits (RFC 6585, 5).
    public static var fieldsTooLarge: Status { Status(431, "Request Header Fields Too Large") }
    /// The server failed (RFC 9110, 15.6.1).
    public static var internalServerError: Status { Status(500, "Internal Server Error") }
    /// The server does not know the method or the transfer coding (15.6.2).
    public static var notImplemented: Status { Status(501, "Not Implemented") }
    /// Another server failed that this one asks (15.6.3).
    public static var badGateway: Status { Status(502, "Bad Gateway") }
    /// Not now; later, perhaps (15.6.4).
    public static var serviceUnavailable: Status { Status(503, "Service Unavailable") }
    /// Another server did not answer in time (15.6.5).
    public static var gatewayTimeout: Status { Status(504, "Gateway Timeout") }
    /// A version of HTTP that is not spoken here (15.6.6).
    public static var versionNotSupported: Status { Status(505, "HTTP Version Not Supported") }
}
