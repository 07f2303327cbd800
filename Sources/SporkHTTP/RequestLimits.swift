// How large the head of a request may be before a server refuses it. Part of HTTPServer.Configuration; RequestParser keeps to it.

/// Limits on the head of a request, in bytes unless they say otherwise.
public nonisolated struct RequestLimits: Sendable {
    /// The request line without its line end; beyond it the answer is 414.
    ///
    /// At least 8000 should be (RFC 9112, 3).
    public var requestLine = 8 * 1024
    /// One field line without its line end; beyond this and the following two the answer is 431.
    public var field = 8 * 1024
    /// All of the head.
    public var head = 32 * 1024
    /// Number of field lines.
    public var fieldCount = 100
    /// Number of empty lines before the request line, which old clients send (RFC 9112, 2.2).
    public var emptyLines = 4

    /// The defaults.
    public init() {}
}
