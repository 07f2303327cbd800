// Which handler answers which request. A program fills a router and returns it to Server.main; the connections of its worker ask it for each
// request. What handlers throw is turned into answers by ServerConnection.

import SporkLoop

/// Routes by path and method.
///
/// Paths are literal segments, `{name}` for any one segment and `{name*}` for all the rest; where several routes match, the one that is more
/// specific in the first segment where they differ is taken. Without a route for the path the answer is 404, without one for the method 405 with
/// Allow. HEAD is answered by the route for GET, OPTIONS by the router. Finding a route takes one step a segment.
public final class Router: RouteRegistering {
    enum Action {
        case now(@MainActor (Request) throws -> Response)
        case later(Handler)
    }

    // An object, of which a request takes hold of one thing instead of five.
    private final class Route {
        let method: HTTPMethod
        let text: String
        let pattern: RoutePattern
        let parameters: [RouteParameter]
        let action: Action

        init(_ method: HTTPMethod, _ text: String, _ pattern: RoutePattern, _ action: Action) {
            (self.method, self.text, self.pattern, self.action) = (method, text, pattern, action)
            parameters = pattern.parameters
        }
    }

    /// Whether TRACE is answered with what was received, sensitive fields left out (RFC 9110, 9.3.8); otherwise it is refused with 405.
    public var allowsTrace = false
    /// The hosts that requests may be for, in lower case and without ports; others are answered with 421 (RFC 9110, 7.4).
    ///
    /// Nil for any.
    @exclusivity(unchecked) public var hosts: Set<String>?

    @exclusivity(unchecked) private var routes: [Route] = []
    @exclusivity(unchecked) private var tree: RouteTree?
    @exclusivity(unchecked) private var middleware: [Middleware] = []
    private var whole: Handler?
    private var tunnel: Handler?

    /// A router without routes.
    public init() {}

    /// Has every request pass through `middleware`, also those that no route is for; the one that was added first is the outermost.
    public func use(_ middleware: @escaping Middleware) {
        self.middleware.append(middleware)
        whole = nil
    }

    /// Has CONNECT answered by `handle`, which is to return `Response.tunnel` where it agrees; without, it is refused with 405.
    public func connect(_ handle: @escaping Handler) { tunnel = handle }

    func add(_ method: HTTPMethod, _ path: String, _ action: Action) {
        let pattern: RoutePattern
        do { pattern = try RoutePattern(path) } catch { preconditionFailure("the route \(path): \(error)") }
        routes.append(Route(method, path, pattern, action))
        tree = nil
    }

    /// How a request is answered.
    package func decide(_ request: Request) -> HTTPServer.Decision {
        if middleware.isEmpty { return dispatch(request) }
        return .later(whole ?? makeWhole())
    }

    private func makeWhole() -> Handler {
        let inner: Handler = { [unowned self] request in
            switch dispatch(request) {
            case .now(let response): response
            case .failed(let error): throw error
            case .later(let handle): try await handle(request)
            }
        }
        let outer = wrap(inner, in: middleware)
        whole = outer
        return outer
    }

    private func dispatch(_ request: Request) -> HTTPServer.Decision {
        if let hosts, !request.isFor(hosts) { return .now(.page(.misdirectedRequest)) }
        let head = request.head
        switch head.method {
        case .unknown: return .now(.page(.notImplemented))
        case .connect:
            guard let tunnel else { return .now(.page(.methodNotAllowed, fields: [allowed(routes.map(\.method))])) }
            return .later(tunnel)
        case .options where head.bytes(head.path).isEqual("*"):
            return .now(Response(.noContent, fields: [allowed(routes.map(\.method))]))
        default: break
        }
        guard request.segments.split(head.bytes(head.path)) == .split else { return .now(.page(.badRequest)) }
        if tree == nil { makeTree() }
        let tree = Unmanaged.passUnretained(tree.unsafelyUnwrapped)
        guard let place = tree.borrow({ $0.find(request.segments) }) else { return .now(.page(.notFound)) }
        if let route = tree.borrow({ $0.route(at: place, for: head.method) }) { return run(route, request) }
        return answerWithoutRoute(at: place, request)
    }

    private func answerWithoutRoute(at place: Int, _ request: Request) -> HTTPServer.Decision {
        guard let tree else { return .now(.page(.notFound)) }
        switch request.head.method {
        case .head:
            if let route = tree.route(at: place, for: .get) { return run(route, request) }
        case .options:
            return .now(Response(.noContent, fields: [allowed(tree.methods(at: place))]))
        case .trace where allowsTrace: return .now(.trace(of: request))
        default: break
        }
        return .now(.page(.methodNotAllowed, fields: [allowed(tree.methods(at: place))]))
    }

    // A route stays as long as the router does: none is ever taken out.
    private func run(_ index: Int, _ request: Request) -> HTTPServer.Decision {
        Unmanaged.passUnretained(routes[index]).borrow { run($0, request) }
    }

    @inline(__always)
    private func run(_ route: Route, _ request: Request) -> HTTPServer.Decision {
        if !route.parameters.isEmpty { request.parameters = route.parameters }
        switch route.action {
        case .now(let handle):
            do { return .now(try handle(request)) } catch { return .failed(error) }
        case .later(let handle): return .later(handle)
        }
    }

    private func makeTree() {
        do throws(RouteTree.Conflict) {
            tree = try RouteTree(routes.map { ($0.pattern, $0.method) })
        } catch {
            let (first, second) = (routes[error.first], routes[error.second])
            preconditionFailure("the routes \(first.method.rawValue) \(first.text) and \(second.text) are for the same")
        }
    }

    private func allowed(_ methods: [HTTPMethod]) -> Response.Field {
        var all = Set(methods).union([.options])
        if all.contains(.get) { all.insert(.head) }
        if allowsTrace { all.insert(.trace) }
        return Response.Field("Allow", HTTPMethod.allCases.filter(all.contains).map(\.rawValue).joined(separator: ", "))
    }
}

extension Request {
    /// Whether the request is for one of these hosts.
    fileprivate func isFor(_ hosts: Set<String>) -> Bool {
        guard let host else { return false }
        let end = host.hasSuffix("]") ? nil : host.lastIndex(of: ":")
        return hosts.contains(host[..<(end ?? host.endIndex)].lowercased())
    }
}

extension Response {
    /// The answer to TRACE: the request as it arrived, without what is nobody's business (RFC 9110, 9.3.8).
    fileprivate static func trace(of request: Request) -> Response {
        if request.content.isExpected { return .page(.badRequest, "TRACE has no body") }
        var text = "TRACE \(request.target) HTTP/\(request.version == .http11 ? "1.1" : "1.0")\r\n"
        let hidden = ["authorization", "proxy-authorization", "cookie"]
        for (name, value) in request.headers where !hidden.contains(where: { name.isSameField(as: $0) }) {
            text += "\(name): \(value)\r\n"
        }
        return Response(.ok, contentType: "message/http", body: .text(text + "\r\n"))
    }
}
