// Shorter forms of HTTPClient.send, one for each method that programs use; whatever they do not say is said with a ClientRequest.

extension HTTPClient {
    /// Asks for what is at a URL; see `send`.
    public func get(_ url: String, headers: Headers = Headers()) async throws -> ClientResponse {
        try await send(.get, url, headers, .none)
    }

    /// Asks for the head that GET would be answered with; see `send`.
    public func head(_ url: String, headers: Headers = Headers()) async throws -> ClientResponse {
        try await send(.head, url, headers, .none)
    }

    /// Hands content to what is at a URL; see `send`.
    ///
    /// - Parameter type: the content's media type.
    public func post(
        _ url: String,
        _ body: ClientRequest.Body,
        type: String? = nil,
        headers: Headers = Headers()
    ) async throws -> ClientResponse {
        try await send(.post, url, headers, body, type)
    }

    /// Puts content to a URL; see `send`.
    ///
    /// - Parameter type: the content's media type.
    public func put(
        _ url: String,
        _ body: ClientRequest.Body,
        type: String? = nil,
        headers: Headers = Headers()
    ) async throws -> ClientResponse {
        try await send(.put, url, headers, body, type)
    }

    /// Removes what is at a URL; see `send`.
    public func delete(_ url: String, headers: Headers = Headers()) async throws -> ClientResponse {
        try await send(.delete, url, headers, .none)
    }

    private func send(
        _ method: HTTPMethod,
        _ url: String,
        _ headers: Headers,
        _ body: ClientRequest.Body,
        _ type: String? = nil
    ) async throws -> ClientResponse {
        var request = try ClientRequest(method, url)
        request.headers = headers
        request.body = body
        if let type { request.headers["Content-Type"] = type }
        return try await send(request)
    }
}
