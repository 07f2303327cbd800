// The HTTP side of a worker: makes a ServerConnection for each stream. Its limits are named here, with the design's defaults.
import SporkLoop
import SporkNet
import SporkPrefork

/// What a handler is: it takes a request and returns its answer, or throws what the answer is to be made of.
public typealias Handler = @MainActor (Request) async throws -> Response

/// Serves HTTP/1 on the connections of one worker.
public final class HTTPServer {
    /// Limits and times of a server's connections.
    public nonisolated struct Configuration: Sendable {
        /// How long the head of a request may take from its first byte on.
        public var headerTimeout: Duration = .seconds(10)
        /// How long it may still take when the server drains, and how long a connection without a request is kept then.
        ///
        /// A request may be on its way, and closing at once would lose it.
        public var drainTimeout: Duration = .seconds(2)
        /// How long a connection may be idle between requests, and before the first.
        ///
        /// Zero closes each behind its first answer; then the first request has to come within `headerTimeout`.
        public var keepAliveTimeout: Duration = .seconds(75)
        /// How long a client may send nothing of a body that is waited for.
        public var bodyTimeout: Duration = .seconds(30)
        /// How many bytes of a body have to come in a second on average, waiting for them counted only.
        public var leastBodyRate = 500
        /// How long a client may be slower than that.
        public var bodyGrace: Duration = .seconds(10)
        /// The longest body that is read where its handler names no limit, in bytes.
        public var bodyLimit = 1 << 20
        /// How much of a body that no handler wanted is read after the answer, so that the connection can go on.
        public var mostDropped = 64 << 10
        /// How long a client may take nothing of an answer.
        public var writeTimeout: Duration = .seconds(30)
        /// How long input is read and dropped after the last answer.
        public var lingerTimeout: Duration = .seconds(2)
        /// Limits on the head of a request.
        public var requestLimits = RequestLimits()
        /// Limits on what surrounds a body.
        public var bodyLimits = BodyLimits()
        /// How many answers one connection may be given before the others have their turn.
        public var mostAnswersInTurn = 32
        /// Bodies up to this many bytes are copied behind their head, and leave with the answers before and after them;
        /// longer ones are handed to the kernel from where they are.
        public var mostGathered = 4 * 1024

        /// The defaults.
        public init() {}
    }

    /// How a request is answered: at once, or by a handler that may suspend.
    package enum Decision {
        case now(Response)
        case failed(any Error)
        case later(Handler)
    }

    let configuration: Configuration
    // In seconds: each burst or connection needs them.
    let keepAliveTimeout: Double
    let silenceLimit: Double
    let lingerTimeout: Double
    let writeTimeout: Double
    // One of the two.
    private let router: Router?
    private let respond: ((RequestHead) -> Response)?
    /// Where requests are counted.
    let row: ScoreboardRow?

    /// Is told what handlers throw that is not an answer; the client gets 500.
    ///
    /// Says so on standard error unless it is set.
    public var onError: (any Error, Request) -> Void = { error, request in
        EventLoop.say("\(request.methodName) \(request.path): \(error)")
    }

    // A silent connection has none: one takes three kilobytes.
    @exclusivity(unchecked) private var spareRequests = Spares<Request>(atMost: 64)

    /// A server that has every request answered by `respond`, which never suspends.
    ///
    /// - Parameter row: where requests are counted; nil for nowhere.
    package convenience init(
        _ configuration: Configuration = Configuration(),
        row: ScoreboardRow? = nil,
        respond: @escaping (RequestHead) -> Response
    ) {
        self.init(configuration, row: row, nil, respond)
    }

    /// A server that has every request answered by `router`.
    package convenience init(
        _ configuration: Configuration = Configuration(),
        row: ScoreboardRow? = nil,
        router: Router
    ) {
        self.init(configuration, row: row, router, nil)
    }

    private init(
        _ configuration: Configuration,
        row: ScoreboardRow?,
        _ router: Router?,
        _ respond: ((RequestHead) -> Response)?
    ) {
        self.configuration = configuration
        keepAliveTimeout = configuration.keepAliveTimeout.seconds
        silenceLimit = keepAliveTimeout > 0 ? keepAliveTimeout : configuration.headerTimeout.seconds
        lingerTimeout = configuration.lingerTimeout.seconds
        writeTimeout = configuration.writeTimeout.seconds
        self.row = row
        self.router = router
        self.respond = respond
    }

    /// Who serves one connection.
    package func handler(for stream: SocketStream) -> any StreamHandler {
        ServerConnection(stream, of: self)
    }

    /// How a request is answered.
    // Within its caller, the answer would be copied instead of moved.
    @inline(never)
    func decide(_ request: Request) -> Decision {
        if let respond { return .now(respond(request.head)) }
        return Unmanaged.passUnretained(router.unsafelyUnwrapped).borrow { $0.decide(request) }
    }

    /// Room for a request, for a connection that needs it.
    func takeRequest() -> Request { spareRequests.take() ?? Request() }

    /// Takes back what `takeRequest` has given.
    func putBack(_ request: consuming Request) { _ = spareRequests.giveBack(request) }
}
