// How routes are written down: the same on a router and on a group of its routes. Handlers that do not suspend are told from those that may by
// their types, which the compiler finds: they are answered without a coroutine's switch, and leave together where requests came together.

/// Runs around a handler: it may answer itself, or call `next` and return what comes of it, changed or not.
public typealias Middleware = @MainActor (_ request: Request, _ next: Handler) async throws -> Response

/// Where routes are added.
public protocol RouteRegistering: AnyObject {
    /// Adds a route whose handler may suspend.
    func on<Answer: ResponseConvertible>(
        _ method: HTTPMethod,
        _ path: String,
        _ handle: @escaping @MainActor (Request) async throws -> Answer
    )

    /// Adds a route whose handler never suspends.
    func on<Answer: ResponseConvertible>(
        _ method: HTTPMethod,
        _ path: String,
        _ handle: @escaping @MainActor (Request) throws -> Answer
    )
}

extension Router {
    /// Adds a route whose handler may suspend.
    ///
    /// A path that is no pattern, or is taken already, is a programming error.
    public func on<Answer: ResponseConvertible>(
        _ method: HTTPMethod,
        _ path: String,
        _ handle: @escaping @MainActor (Request) async throws -> Answer
    ) {
        add(method, path, .later { request in try await handle(request).response })
    }

    /// Adds a route whose handler never suspends.
    public func on<Answer: ResponseConvertible>(
        _ method: HTTPMethod,
        _ path: String,
        _ handle: @escaping @MainActor (Request) throws -> Answer
    ) {
        add(method, path, .now { request in try handle(request).response })
    }

    /// Adds routes below `prefix` that have middleware of their own.
    ///
    /// - Parameters:
    ///   - prefix: a path, with parameters where it needs them, and without a slash at its end.
    ///   - middleware: runs around the group's handlers only; the first is the outermost.
    ///   - fill: adds the routes.
    public func group(_ prefix: String, _ middleware: [Middleware] = [], fill: (RouteGroup) -> Void) {
        fill(RouteGroup(of: self, prefix, middleware))
    }
}

/// Routes with a common beginning and common middleware.
public final class RouteGroup: RouteRegistering {
    private let router: Router
    private let prefix: String
    private let middleware: [Middleware]

    init(of router: Router, _ prefix: String, _ middleware: [Middleware]) {
        self.router = router
        self.prefix = prefix
        self.middleware = middleware
    }

    /// Adds a route whose handler may suspend.
    public func on<Answer: ResponseConvertible>(
        _ method: HTTPMethod,
        _ path: String,
        _ handle: @escaping @MainActor (Request) async throws -> Answer
    ) {
        let inner: Handler = { request in try await handle(request).response }
        router.add(method, prefix + path, .later(wrap(inner, in: middleware)))
    }

    /// Adds a route whose handler never suspends.
    public func on<Answer: ResponseConvertible>(
        _ method: HTTPMethod,
        _ path: String,
        _ handle: @escaping @MainActor (Request) throws -> Answer
    ) {
        if middleware.isEmpty {
            router.add(method, prefix + path, .now { request in try handle(request).response })
        } else {
            let inner: Handler = { request in try handle(request).response }
            router.add(method, prefix + path, .later(wrap(inner, in: middleware)))
        }
    }

    /// A group within this one.
    public func group(_ prefix: String, _ middleware: [Middleware] = [], fill: (RouteGroup) -> Void) {
        fill(RouteGroup(of: router, self.prefix + prefix, self.middleware + middleware))
    }
}

/// A handler with middleware around it, the first outermost.
func wrap(_ handler: @escaping Handler, in middleware: [Middleware]) -> Handler {
    middleware.reversed().reduce(handler) { inner, outer in { request in try await outer(request, inner) } }
}
