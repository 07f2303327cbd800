// How a handler says that it will not answer as it was asked: it throws. ServerConnection turns what is thrown into an answer.

/// Something that can be sent as an answer: what handlers return, and errors that know how they are to be answered.
public protocol ResponseConvertible {
    /// The answer.
    var response: Response { get }
}

/// A request that is answered with a status for errors.
///
/// Thrown by a handler it becomes an answer with this status and a short page; `message` stands on it.
public struct HTTPError: Error, ResponseConvertible, CustomStringConvertible {
    /// What the client is told.
    public var status: Status
    /// What was wrong, for the client to read; empty for nothing more than the status.
    public var message: String
    /// Fields that go with it.
    public var headers: Headers

    /// An error with this status.
    public init(_ status: Status, _ message: String = "", headers: Headers = Headers()) {
        self.status = status
        self.message = message
        self.headers = headers
    }

    init(_ refusal: RequestParser.Refusal) { self.init(refusal.status, "\(refusal.reason)") }

    /// Status and message.
    public var description: String {
        message.isEmpty ? "\(status.code) \(status.reason)" : "\(status.code) \(status.reason): \(message)"
    }

    /// The page.
    public var response: Response {
        var response = Response.page(status, message)
        // Several of a name stay several; those that the page has of itself give way.
        for field in headers { response.headers[field.name] = nil }
        for field in headers { response.headers.add(field.name, field.value) }
        return response
    }
}

extension Response: ResponseConvertible {
    /// Itself.
    public var response: Response { self }
}

extension String: ResponseConvertible {
    /// This text, as plain text.
    public var response: Response { Response(text: self) }
}

extension Status: ResponseConvertible {
    /// This status with nothing behind it.
    public var response: Response { Response(self) }
}
