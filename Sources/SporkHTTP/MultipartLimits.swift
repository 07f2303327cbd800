// Limits on a body in several parts; MultipartParser keeps to them, whoever reads the body names them.

/// Limits on a body in several parts (RFC 7578), in bytes unless they say otherwise.
///
/// A body that goes beyond one of them is refused with 413.
public nonisolated struct MultipartLimits: Sendable {
    /// The longest boundary that there may be (RFC 2046, 5.1.1).
    public static var mostBoundary: Int { 70 }

    /// Number of parts.
    public var parts = 100
    /// The fields at the head of a part.
    public var headerBytes = 8 * 1024
    /// Number of those fields.
    public var headers = 16
    /// The content of a part; no more than the whole body may have in any case.
    public var partBytes = Int.max
    /// What stands before the first part, which nobody reads.
    public var preamble = 1024

    /// The defaults.
    public init() {}
}
