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
    /// The request succeeded (RFC 9110, 15.3.1).
    public static var ok: Status { Status(200, "OK") }
    /// It succeeded, and there is nothing to send (15.3.5).
    public static var noContent: Status { Status(204, "No Content") }
    /// A part of the file, as asked for (15.3.7).
    public static var partialContent: Status { Status(206, "Partial Content") }
    /// It is to be found elsewhere, for good (15.4.2).
    public static var movedPermanently: Status { Status(301, "Moved Permanently") }
    /// The client has it already (15.4.5).
    public static var notModified: Status { Status(304, "Not Modified") }
    /// The request is malformed (15.5.1).
    public static var badRequest: Status { Status(400, "Bad Request") }
    /// Understood, and refused (15.5.4).
    public static var forbidden: Status { Status(403, "Forbidden") }
    /// There is nothing here (15.5.5).
    public static var notFound: Status { Status(404, "Not Found") }
    /// Known, but not for this target; `Allow` says which are (15.5.6).
    public static var methodNotAllowed: Status { Status(405, "Method Not Allowed") }
    /// The request did not arrive in time (15.5.9).
    public static var requestTimeout: Status { Status(408, "Request Timeout") }
    /// A condition of the request does not hold (15.5.13).
    public static var preconditionFailed: Status { Status(412, "Precondition Failed") }
    /// The request line is longer than its limit (15.5.15).
    public static var uriTooLong: Status { Status(414, "URI Too Long") }
    /// Nothing of the file lies in the range (15.5.17).
    public static var rangeNotSatisfiable: Status { Status(416, "Range Not Satisfiable") }
    /// An `Expect` field that means nothing here (15.5.18).
    public static var expectationFailed: Status { Status(417, "Expectation Failed") }
    /// The fields are longer, or more, than their limits (RFC 6585, 5).
    public static var fieldsTooLarge: Status { Status(431, "Request Header Fields Too Large") }
    /// The server failed (RFC 9110, 15.6.1).
    public static var internalServerError: Status { Status(500, "Internal Server Error") }
    /// The server does not know the method or the transfer coding (15.6.2).
    public static var notImplemented: Status { Status(501, "Not Implemented") }
    /// Not now; later, perhaps (15.6.4).
    public static var serviceUnavailable: Status { Status(503, "Service Unavailable") }
    /// A version of HTTP that is not spoken here (15.6.6).
    public static var versionNotSupported: Status { Status(505, "HTTP Version Not Supported") }
}
