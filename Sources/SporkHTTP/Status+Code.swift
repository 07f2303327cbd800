// From a status code that somebody else has sent to the status that this house knows by it.

nonisolated extension Status {
    /// The status with this code; with the phrase of those that are known here, and none for others.
    public init(code: UInt16) {
        self = Self.known.first { $0.code == code } ?? Status(code, "")
    }

    private static let known: [Status] = [
        .ok, .created, .accepted, .noContent, .resetContent, .partialContent, .movedPermanently, .found, .seeOther,
        .notModified, .temporaryRedirect, .permanentRedirect, .badRequest, .unauthorized, .forbidden, .notFound,
        .methodNotAllowed,
        .notAcceptable, .requestTimeout, .conflict, .gone, .preconditionFailed, .contentTooLarge, .uriTooLong,
        .unsupportedMediaType, .rangeNotSatisfiable, .expectationFailed, .misdirectedRequest, .unprocessableContent,
        .upgradeRequired, .tooManyRequests, .fieldsTooLarge, .internalServerError, .notImplemented, .badGateway,
        .serviceUnavailable, .gatewayTimeout, .versionNotSupported,
    ]
}
