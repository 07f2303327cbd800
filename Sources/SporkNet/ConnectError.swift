// Why connecting by name has failed although the name has addresses. One that has none is a NameError.

/// No address of a name could be connected to: which were tried, and what came of each.
public nonisolated struct ConnectError: Error, Equatable, CustomStringConvertible {
    /// One address that was tried.
    public struct Attempt: Equatable, Sendable {
        /// Where to.
        public var address: SocketAddress
        /// Why not; nil when nothing had come of it when the time was over.
        public var failure: SystemError?

        /// An attempt and its failure.
        public init(_ address: SocketAddress, _ failure: SystemError?) {
            self.address = address
            self.failure = failure
        }
    }

    /// What was to be connected to, such as "example.org:80".
    public var target: String
    /// The addresses that were tried, in order.
    public var attempts: [Attempt]
    /// Whether the time limit has ended it.
    public var timedOut: Bool

    /// An error about `target`.
    public init(_ target: String, attempts: [Attempt], timedOut: Bool) {
        self.target = target
        self.attempts = attempts
        self.timedOut = timedOut
    }

    /// For example "connect example.org:80: no address answered ([::1]:80: connection refused; 127.0.0.1:80: connection refused)".
    public var description: String {
        let tried = attempts.map { attempt in
            "\(attempt.address): \(attempt.failure.map { SystemError.reason($0.number) } ?? "no answer yet")"
        }.joined(separator: "; ")
        return "connect \(target): \(timedOut ? "timed out" : "no address answered") (\(tried))"
    }
}
