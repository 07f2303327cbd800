// The HTTP side of a worker: makes a ServerConnection for each stream. Its limits are named here, with the design's defaults.
import SporkNet
import SporkPrefork

/// Serves HTTP/1 on the connections of one worker.
public final class HTTPServer {
    /// Limits and times of a server's connections.
    public struct Configuration {
        /// How long the head of a request may take from its first byte on.
        public var headerTimeout: Duration = .seconds(10)
        /// How long it may still take when the server drains, and how long a connection without a request is kept then.
        ///
        /// A request may be on its way, and closing at once would lose it.
        public var drainTimeout: Duration = .seconds(2)
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

    let configuration: Configuration
    let respond: (RequestHead) -> Response
    /// Where requests are counted.
    let row: ScoreboardRow?

    // A silent connection has none: one takes three kilobytes.
    private static let mostSpareHeads = 64
    private var spareHeads: [RequestHead] = []

    /// A server that has every request answered by `respond`, which never suspends.
    ///
    /// - Parameter row: where requests are counted; nil for nowhere.
    package init(
        _ configuration: Configuration = Configuration(),
        row: ScoreboardRow? = nil,
        respond: @escaping (RequestHead) -> Response
    ) {
        self.configuration = configuration
        self.row = row
        self.respond = respond
    }

    /// Who serves one connection.
    package func handler(for stream: SocketStream) -> any StreamHandler {
        ServerConnection(stream, of: self)
    }

    /// Room for the head of a request, for a connection that needs it.
    func takeHead() -> RequestHead { spareHeads.popLast() ?? RequestHead() }

    /// Takes back what `takeHead` has given.
    func putBack(_ head: RequestHead) {
        if spareHeads.count < Self.mostSpareHeads { spareHeads.append(head) }
    }
}
