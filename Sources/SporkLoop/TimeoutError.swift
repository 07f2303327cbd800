// How waits end that do not end well.

/// A time limit that has passed.
public struct TimeoutError: Error, CustomStringConvertible, Equatable {
    /// How long it was.
    public let limit: Duration

    /// A limit of this length has passed.
    public init(limit: Duration) { self.limit = limit }

    /// One line.
    public var description: String { "timed out after \(limit)" }
}

/// An error by which code says that it was cancelled, beside `CancellationError`.
package protocol CancellationReport: Error {
    /// Whether it was.
    var isCancellation: Bool { get }
}

extension Wait.Outcome {
    /// Throws what a wait that did not end well stands for.
    @inlinable package func check(_ limit: Duration?) throws {
        switch self {
        case .woken, .closed: return
        case .timedOut: throw TimeoutError(limit: limit ?? .zero)
        case .cancelled: throw CancellationError()
        }
    }
}
