// Middleware about the answer: how long it may take, what it is called in logs, what browsers shall not do with it.
import SporkLoop
import SporkTasks

extension Middlewares {
    /// Cancels a handler that has not answered in time, and answers 503, or 504 for a handler that asks others; nobody else is held up.
    ///
    /// Counted is the time until the handler returns: a body that it streams afterwards is not.
    public static func deadline(_ limit: Duration, status: Status = .serviceUnavailable) -> Middleware {
        { request, next in
            do { return try await withTimeout(limit) { try await next(request) } } catch is TimeoutError {
                throw HTTPError(status, "it took too long")
            }
        }
    }

    /// Gives each request a name, in `Request.id` and in the answer: the client's own where it has sent one that is fit, or a new one.
    ///
    /// - Parameter field: the field that carries it.
    public static func requestID(_ field: String = "X-Request-ID") -> Middleware {
        { request, next in
            let sent = request.headers[field].flatMap { isFit($0) ? $0 : nil }
            let id = sent ?? newID()
            request.id = id
            var response = try await request.answered(by: next)
            response.headers[field] = id
            return response
        }
    }

    // What goes into logs is short and has nothing in it that could mean something there.
    private static func isFit(_ id: String) -> Bool {
        (1...128).contains(id.utf8.count)
            && id.utf8.allSatisfy { $0.isTokenCharacter || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "/") }
    }

    private static func newID() -> String {
        let digits =
            String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
        return String(digits.prefix(22))
    }

    /// Has browsers do less with an answer than they would: no guessing of types, no frames, no referrers; and over TLS only, where a time
    /// for that is given.
    ///
    /// Fields that the handler has set stay. Like `requestID` and `crossOrigin` it adds them to errors, too: what is thrown further in is an answer here.
    public static func securityHeaders(strictTransportFor time: Duration? = nil) -> Middleware {
        var fields = [
            ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
        ]
        if let time { fields.append(("Strict-Transport-Security", "max-age=\(time.components.seconds)")) }
        return { request, next in
            var response = try await request.answered(by: next)
            for (name, value) in fields where response.headers[name] == nil { response.headers[name] = value }
            return response
        }
    }
}

extension Request {
    /// What `next` answers, or what is answered to the error that it throws: for middleware that has something to add to every answer.
    ///
    /// An error that is no answer is reported as ever. Being cancelled and running out of time are for who has seen to that.
    func answered(by next: Handler) async throws -> Response {
        do { return try await next(self) } catch {
            guard !(error is CancellationError), !(error is TimeoutError), let connection else { throw error }
            return connection.response(to: error, of: self)
        }
    }
}
