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

    public static func == (left: Status, right: Status) -> Bool { left.code == right.code }
}

nonisolated extension Status {
    public static var ok: Status { Status(200, "OK") }
    public static var noContent: Status { Status(204, "No Content") }
    public static var partialContent: Status { Status(206, "Partial Content") }
    public static var movedPermanently: Status { Status(301, "Moved Permanently") }
    public static var notModified: Status { Status(304, "Not Modified") }
    public static var badRequest: Status { Status(400, "Bad Request") }
    public static var forbidden: Status { Status(403, "Forbidden") }
    public static var notFound: Status { Status(404, "Not Found") }
    public static var methodNotAllowed: Status { Status(405, "Method Not Allowed") }
    public static var requestTimeout: Status { Status(408, "Request Timeout") }
    public static var preconditionFailed: Status { Status(412, "Precondition Failed") }
    public static var uriTooLong: Status { Status(414, "URI Too Long") }
    public static var rangeNotSatisfiable: Status { Status(416, "Range Not Satisfiable") }
    public static var expectationFailed: Status { Status(417, "Expectation Failed") }
    public static var fieldsTooLarge: Status { Status(431, "Request Header Fields Too Large") }
    public static var internalServerError: Status { Status(500, "Internal Server Error") }
    public static var notImplemented: Status { Status(501, "Not Implemented") }
    public static var serviceUnavailable: Status { Status(503, "Service Unavailable") }
    public static var versionNotSupported: Status { Status(505, "HTTP Version Not Supported") }
}
