// The limits of HTTPClient, each with its default.
import SporkNet

extension HTTPClient {
    /// Limits and times of a client, and whom it believes.
    public struct Configuration {
        /// How many connections an origin may have at once, that is, the same scheme, host and port; more requests wait for one of them.
        public var connectionsPerOrigin = 8
        /// How many connections without a request are kept, of all origins together; 0 for none.
        public var idleConnections = 64
        /// How long one is kept.
        ///
        /// Shorter than what most servers do, so that it is rarely they who close.
        public var idleTime: Duration = .seconds(30)
        /// How long a request may wait for a connection where its origin has none left; nil for ever.
        public var placeTimeout: Duration? = .seconds(30)
        /// How long resolving, connecting and the TLS handshake may take, together; nil for as long as the system tries.
        public var connectTimeout: Duration? = .seconds(10)
        /// How long the head of an answer may take once the request has been sent; nil for ever.
        public var headTimeout: Duration? = .seconds(30)
        /// How long a server may send nothing of a body that is waited for, or take nothing of a request; nil for ever.
        public var bodyTimeout: Duration? = .seconds(30)
        /// How long all of a request may take, to the end of the answer's body; nil for as long as it gets on.
        public var requestTimeout: Duration?
        /// How long the server is waited for that was asked whether it wants the body; see `ClientRequest.expectsContinue`.
        public var continueTimeout: Duration = .seconds(1)
        /// How much of a body that nobody reads is read over, so that the connection can be used again, in bytes.
        public var mostDropped = 64 << 10
        /// How long that may take.
        public var dropTimeout: Duration = .seconds(1)
        /// What the client calls itself where a request says nothing else (RFC 9110, 10.1.5); nil for nothing.
        public var userAgent: String? = "spork"
        /// How https is spoken: whose certificates are believed, and what is shown to servers that ask.
        ///
        /// Only http/1.1 is offered inside.
        public var tls = TLSConfiguration()
        /// Who resolves names; nil for the worker's own.
        public var resolver: NameResolver?
        /// Limits on the head of an answer.
        package var headLimits = ResponseHeadParser.Limits()

        /// The defaults.
        public init() {}
    }
}
