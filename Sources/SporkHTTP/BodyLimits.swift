// What may surround the content of a request before a server refuses it. Part of HTTPServer.Configuration; BodyDecoder keeps to it.

/// Limits on what surrounds the content of a request that comes in chunks, in bytes unless they say otherwise.
public nonisolated struct BodyLimits: Sendable {
    /// The line before a chunk: its size and extensions, without the line end.
    public var chunkLine = 256
    /// All extensions of a message, which nobody needs.
    public var extensions = 4 * 1024
    /// The fields behind the last chunk.
    public var trailers = 8 * 1024
    /// Number of those fields.
    public var trailerCount = 32

    /// The defaults.
    public init() {}
}
