// Asking servers over HTTP/1: the entrance. Which connection carries which request is ConnectionPool's decision, carried out in HTTPClient+Connections.swift;
// a request and its answer are a ClientExchange. The connections are the worker's own: a client that was made before a fork opens nothing before its first
// request.
import SporkNet
import SporkTasks

/// A client for HTTP/1, which keeps connections and uses them again.
///
///     let client = HTTPClient()
///     let response = try await client.get("http://127.0.0.1:8000/hello")
///     print(response.status.code, try await response.body.string(upTo: 64 * 1024))
///
/// Redirects are answers like all others, nothing is decompressed, and there are no cookies: what is sent is what the program says, and what comes is
/// what the server says.
public final class HTTPClient {
    /// Its limits and times, and whom it believes.
    public let configuration: Configuration

    var pool: ConnectionPool<Origin>
    // All that stand, silent or not, by their numbers.
    var connections: [Int: ClientConnection] = [:]
    var promises: [Int: Promise<Grant>] = [:]
    var lastRequest = 0
    var made = 0
    var tls: TLSContext?
    var isClosed = false

    /// A client; opens nothing yet.
    public init(_ configuration: Configuration = Configuration()) {
        self.configuration = configuration
        pool = ConnectionPool(
            .init(
                connectionsPerOrigin: max(1, configuration.connectionsPerOrigin),
                idleConnections: max(0, configuration.idleConnections)
            )
        )
    }

    // A request holds its client: what is left here is silent.
    deinit {
        let connections = connections
        MainActor.assumeIsolated { for connection in connections.values { connection.close() } }
    }

    /// Sends a request, and returns when the head of its answer has come.
    ///
    /// A request without a body and with a method that may be repeated (RFC 9110, 9.2.2) is sent once more where it met a connection that the server had
    /// closed meanwhile. An answer of any status is an answer. When this is cancelled, the connection is closed.
    ///
    /// - Throws: `ClientError` naming the request; what the function throws that writes the request's body; `CancellationError`.
    public func send(_ request: ClientRequest) async throws -> ClientResponse {
        let exchange = try ClientExchange(request, of: self)
        try await exchange.run()
        return ClientResponse(exchange)
    }

    /// Closes the silent connections, and has no request sent any more; those that have been sent are finished.
    public func close() {
        isClosed = true
        perform(pool.closeIdle())
    }

    /// Counters of a client.
    public struct Statistics: Equatable, Sendable {
        /// Connections that stand or are being made.
        public var connections: Int
        /// Those of them that wait for a request.
        public var idleConnections: Int
        /// Requests that wait for a connection.
        public var waiting: Int
        /// Connections that were made since the beginning.
        public var connectionsMade: Int
    }

    /// What there is to say about it now.
    public var statistics: Statistics {
        Statistics(
            connections: pool.connections,
            idleConnections: pool.idleConnections,
            waiting: pool.waiting,
            connectionsMade: made
        )
    }
}
