// Middleware about who may ask, and how often: passwords, other sites' scripts, rates. Each is made once and added with Router.use, or to a group.
import SporkLoop
import SporkNet

/// Middleware that comes with the house.
public enum Middlewares {
    /// Asks for a name and a password (RFC 7617), and says in `Request.user` whose they were.
    ///
    /// Only over TLS are they kept from others on the way.
    ///
    /// - Parameters:
    ///   - realm: what the client shows its user.
    ///   - accept: whether a name and a password are right; compare secrets with `areEqual`, which takes as long for wrong ones.
    public static func basicAuthentication(
        realm: String,
        accept: @escaping @MainActor (_ name: String, _ password: String) async throws -> Bool
    ) -> Middleware {
        let quoted = String(String.UnicodeScalarView(realm.unicodeScalars.filter { $0 != "\"" && $0 != "\\" }))
        return { request, next in
            if let (name, password) = credentials(in: request), try await accept(name, password) {
                request.user = name
                return try await next(request)
            }
            var headers = Headers()
            headers["WWW-Authenticate"] = "Basic realm=\"\(quoted)\", charset=\"UTF-8\""
            throw HTTPError(.unauthorized, headers: headers)
        }
    }

    /// Whether two secrets are the same, in a time that says nothing about where they differ.
    public nonisolated static func areEqual(_ one: String, _ other: String) -> Bool {
        let (one, other) = (Array(one.utf8), Array(other.utf8))
        guard !one.isEmpty, !other.isEmpty else { return one.isEmpty && other.isEmpty }
        var difference = one.count ^ other.count
        for index in other.indices { difference |= Int(one[index % one.count] ^ other[index]) }
        return difference == 0
    }

    private static func credentials(in request: Request) -> (name: String, password: String)? {
        guard let field = request.headers["Authorization"], let space = field.firstIndex(of: " "),
            String(field[..<space]).isSameField(as: "Basic"),
            let bytes = Base64.decode(field[space...].drop { $0 == " " }.utf8),
            let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
            let name = String(validating: bytes[..<colon], as: UTF8.self),
            let password = String(validating: bytes[(colon + 1)...], as: UTF8.self)
        else { return nil }
        return (name, password)
    }

    /// Lets scripts of other sites use what is here (Fetch Standard, 3.2), and answers their preflights.
    ///
    /// Preflights get here for every path where this is the router's own (`Router.use`), and within a group where that has a route for OPTIONS.
    ///
    /// - Parameters:
    ///   - origins: the sites, such as "https://a.example"; nil for all, which then send no cookies.
    ///   - methods: with which methods.
    ///   - headers: with which fields beside those that are always allowed.
    ///   - maxAge: how long a client may remember it.
    public static func crossOrigin(
        _ origins: Set<String>?,
        methods: [HTTPMethod] = [.get, .head, .post],
        headers: [String] = [],
        maxAge: Duration = .seconds(600)
    ) -> Middleware {
        let methods = methods.map(\.rawValue).joined(separator: ", ")
        return { request, next in
            guard let origin = request.headers["Origin"] else {
                return vary(try await request.answered(by: next), origins)
            }
            let isAllowed = origins?.contains(origin) ?? true
            let isPreflight = request.method == .options && request.headers["Access-Control-Request-Method"] != nil
            var response = isPreflight ? Response(.noContent) : try await request.answered(by: next)
            if isAllowed {
                response.headers["Access-Control-Allow-Origin"] = origins == nil ? "*" : origin
                if isPreflight {
                    response.headers["Access-Control-Allow-Methods"] = methods
                    if !headers.isEmpty {
                        response.headers["Access-Control-Allow-Headers"] = headers.joined(separator: ", ")
                    }
                    response.headers["Access-Control-Max-Age"] = "\(maxAge.components.seconds)"
                }
            }
            return vary(response, origins)
        }
    }

    // A cache must not give one site's answer to another.
    private static func vary(_ response: Response, _ origins: Set<String>?) -> Response {
        guard origins != nil else { return response }
        var response = response
        response.headers.add("Vary", "Origin")
        return response
    }

    /// Answers 429 to a client that asks more often than it may, with Retry-After; counted for this worker alone.
    ///
    /// - Parameters:
    ///   - requests: how many at once.
    ///   - period: in which time so many more are allowed.
    ///   - key: whom to count as one; the client's address without its port unless it is said otherwise.
    public static func rateLimit(
        _ requests: Int,
        per period: Duration,
        key: (@MainActor (Request) -> String)? = nil
    ) -> Middleware {
        var buckets = TokenBuckets(capacity: requests, per: period.seconds)
        return { request, next in
            if let seconds = buckets.take(key?(request) ?? request.clientAddress.map(host) ?? "", at: EventLoop.now) {
                var headers = Headers()
                headers["Retry-After"] = "\(Int(seconds.rounded(.up)))"
                throw HTTPError(.tooManyRequests, headers: headers)
            }
            return try await next(request)
        }
    }

    private static func host(_ address: SocketAddress) -> String {
        let text = "\(address)"
        return String(text[..<(text.lastIndex(of: ":") ?? text.endIndex)])
    }
}
