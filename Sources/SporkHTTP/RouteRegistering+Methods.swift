// Shorter forms of RouteRegistering.on, one for each method.

extension RouteRegistering {
    /// Adds a route for GET, and for HEAD with it, whose handler may suspend.
    public func get<Answer: ResponseConvertible>(
        _ path: String,
        _ handle: @escaping @MainActor (Request) async throws -> Answer
    ) {
        on(.get, path, handle)
    }

    /// Adds a route for GET, and for HEAD with it, whose handler never suspends.
    public func get<Answer: ResponseConvertible>(
        _ path: String,
        _ handle: @escaping @MainActor (Request) throws -> Answer
    ) {
        on(.get, path, handle)
    }

    /// Adds a route for POST, whose handler may suspend.
    public func post<Answer: ResponseConvertible>(
        _ path: String,
        _ handle: @escaping @MainActor (Request) async throws -> Answer
    ) {
        on(.post, path, handle)
    }

    /// Adds a route for POST, whose handler never suspends.
    public func post<Answer: ResponseConvertible>(
        _ path: String,
        _ handle: @escaping @MainActor (Request) throws -> Answer
    ) {
        on(.post, path, handle)
    }

    /// Adds a route for PUT, whose handler may suspend.
    public func put<Answer: ResponseConvertible>(
        _ path: String,
        _ handle: @escaping @MainActor (Request) async throws -> Answer
    ) {
        on(.put, path, handle)
    }

    /// Adds a route for PUT, whose handler never suspends.
    public func put<Answer: ResponseConvertible>(
        _ path: String,
        _ handle: @escaping @MainActor (Request) throws -> Answer
    ) {
        on(.put, path, handle)
    }

    /// Adds a route for DELETE, whose handler may suspend.
    public func delete<Answer: ResponseConvertible>(
        _ path: String,
        _ handle: @escaping @MainActor (Request) async throws -> Answer
    ) {
        on(.delete, path, handle)
    }

    /// Adds a route for DELETE, whose handler never suspends.
    public func delete<Answer: ResponseConvertible>(
        _ path: String,
        _ handle: @escaping @MainActor (Request) throws -> Answer
    ) {
        on(.delete, path, handle)
    }

    /// Adds a route for PATCH, whose handler may suspend.
    public func patch<Answer: ResponseConvertible>(
        _ path: String,
        _ handle: @escaping @MainActor (Request) async throws -> Answer
    ) {
        on(.patch, path, handle)
    }

    /// Adds a route for PATCH, whose handler never suspends.
    public func patch<Answer: ResponseConvertible>(
        _ path: String,
        _ handle: @escaping @MainActor (Request) throws -> Answer
    ) {
        on(.patch, path, handle)
    }

    /// Adds a route for several methods, whose handler may suspend.
    public func on<Answer: ResponseConvertible>(
        _ methods: [HTTPMethod],
        _ path: String,
        _ handle: @escaping @MainActor (Request) async throws -> Answer
    ) {
        for method in methods { on(method, path, handle) }
    }
}
