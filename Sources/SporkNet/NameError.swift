// Why a name has not become addresses. NameResolver throws it; connecting by name passes it on.
import SporkLoop

/// A name that could not be resolved: which, and why.
public nonisolated struct NameError: Error, Equatable, CustomStringConvertible {
    /// Why a name could not be resolved.
    public enum Reason: Equatable, Sendable {
        /// There is no such name (NXDOMAIN).
        case notFound
        /// The name exists and has neither an IPv4 nor an IPv6 address.
        case noAddress
        /// The name servers answered that they cannot or will not (SERVFAIL, REFUSED, NOTIMP, FORMERR).
        ///
        /// With several servers it may also mean that none of them could be reached: c-ares does not tell.
        case serverFailure
        /// No name server could be reached.
        case serverUnreachable
        /// No answer came in time.
        case timedOut
        /// The coroutine was cancelled while it waited.
        case cancelled
        /// It is neither an address nor a host name; nobody was asked.
        case malformedName
        /// An answer came that could not be understood.
        case malformedAnswer
        /// The resolver's own settings cannot be used.
        case misconfigured
    }

    /// What was to be resolved.
    public var name: String
    /// Why it could not be.
    public var reason: Reason

    /// An error about `name`.
    public init(_ name: String, _ reason: Reason) {
        self.name = name
        self.reason = reason
    }

    /// For example "resolve example.org: no such name".
    public var description: String { "resolve \(name): \(reason.text)" }
}

extension NameError: CancellationReport {
    package var isCancellation: Bool { reason == .cancelled }
}

nonisolated extension NameError.Reason {
    var text: String {
        switch self {
        case .notFound: "no such name"
        case .noAddress: "the name has no address"
        case .serverFailure: "the name server failed"
        case .serverUnreachable: "no name server could be reached"
        case .timedOut: "timed out"
        case .cancelled: "cancelled"
        case .malformedName: "not a host name"
        case .malformedAnswer: "the answer cannot be understood"
        case .misconfigured: "the resolver's settings cannot be used"
        }
    }

    /// Which of two reasons to give: not knowing weighs more than knowing that there is nothing.
    func combined(with other: NameError.Reason?) -> NameError.Reason {
        guard let other, other.weight > weight else { return self }
        return other
    }

    /// Whether the next name of the search list may still be asked for (resolv.conf(5)).
    var allowsNextCandidate: Bool { self == .notFound || self == .noAddress || self == .serverFailure }

    private var weight: Int {
        switch self {
        case .notFound: 0
        case .noAddress: 1
        case .malformedAnswer: 2
        case .serverFailure: 3
        case .serverUnreachable: 4
        case .timedOut: 5
        case .malformedName, .misconfigured, .cancelled: 6
        }
    }
}
