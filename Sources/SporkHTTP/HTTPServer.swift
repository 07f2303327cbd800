// The HTTP side of a worker: runs a ServerConnection for each stream and drains them all. Its limits are named here, with
// the design's defaults.
import SporkNet
import SporkTasks

/// Serves HTTP/1 on the connections of one worker.
public final class HTTPServer {
    /// Limits and times of a server's connections.
    public struct Configuration {
        /// How long the head of a request may take from its first byte on.
        public var headerTimeout: Duration = .seconds(10)
        /// How long it may still take when the server drains.
        public var drainHeaderTimeout: Duration = .seconds(2)
        /// How long a connection may be idle between requests, and before the first.
        public var keepAliveTimeout: Duration = .seconds(75)
        /// How long a client may take nothing of an answer.
        public var writeTimeout: Duration = .seconds(30)
        /// How long input is read and dropped after the last answer.
        public var lingerTimeout: Duration = .seconds(2)
        /// Limits on the head of a request.
        package var requestLimits = RequestParser.Limits()
        /// How many answers one connection may be given before the others have their turn.
        package var mostAnswersInTurn = 32
        /// Bodies up to this many bytes are copied behind their head, and leave with the answers before and after them;
        /// longer ones are handed to the kernel from where they are.
        package var mostGathered = 4 * 1024

        /// The defaults.
        public init() {}
    }

    private let configuration: Configuration
    private let respond: (RequestHead) -> Response
    private var connections: [ObjectIdentifier: ServerConnection] = [:]
    private var isDraining = false

    /// A server that has every request answered by `respond`, which never suspends.
    package init(_ configuration: Configuration = Configuration(), respond: @escaping (RequestHead) -> Response) {
        self.configuration = configuration
        self.respond = respond
    }

    /// Serves one connection until it has to close.
    package func serve(_ stream: SocketStream) async throws {
        let connection = ServerConnection(stream, configuration, respond: respond)
        let key = ObjectIdentifier(connection)
        connections[key] = connection
        defer { connections[key] = nil }
        if isDraining { connection.drain() }
        try await connection.run()
    }

    /// Lets every connection finish what it has begun, and no more.
    package func drain() {
        isDraining = true
        for connection in connections.values { connection.drain() }
    }
}
