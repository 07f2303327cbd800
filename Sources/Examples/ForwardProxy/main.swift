// A forward proxy (RFC 9110, 7.6): requests with an absolute target are sent on, bodies streamed both ways; CONNECT becomes a tunnel of two coroutines.
// CONNECT goes to any port of any host: who offers this to others than himself has to say which (RFC 9110, 9.3.6).
//
//     swift run example-proxy --bind 127.0.0.1:8080 --workers 2
//     curl -x http://127.0.0.1:8080 http://example.org/ https://example.org/
//
// TUNNEL_IDLE_SECONDS=60 in the environment closes tunnels in which nothing has moved for a minute.
import Glibc
import Spork

enum Limits {
    /// How long connecting a tunnel may take.
    static let connect = Duration.seconds(10)
    /// How long nothing may move in a tunnel, in either direction.
    static let idle = Duration.seconds(getenv("TUNNEL_IDLE_SECONDS").flatMap { Int(String(cString: $0)) } ?? 300)
}

try Server.main { _ in
    var settings = HTTPClient.Configuration()
    settings.connectionsPerOrigin = 256
    // What a client calls itself is its own business.
    settings.userAgent = nil
    let client = HTTPClient(settings)
    let router = Router()
    // Whatever the path is: there are no routes.
    router.use { request, next in
        // The latter is about the proxy itself.
        if request.method == .connect || request.target == "*" { return try await next(request) }
        return try await forward(request, with: client)
    }
    router.connect { request in try await tunnel(request) }
    return router
}

/// Sends a request on, and its answer back.
func forward(_ request: Request, with client: HTTPClient) async throws -> Response {
    guard let url = HTTPURL(request.target) else {
        throw HTTPError(.badRequest, "a proxy is asked with a whole http URL")
    }
    var onward = ClientRequest(.get, url)
    onward.methodName = request.methodName
    onward.headers = endToEnd(request.headers.map { ($0.name, $0.value) }, version: request.version)
    if request.method == .options || request.method == .trace,
        let field = request.headers["Max-Forwards"], let left = Int(field)
    {
        // It was meant for this proxy (RFC 9110, 7.6.2).
        if left <= 0 {
            if request.method == .options { return Response(.noContent) }
            throw HTTPError(.notImplemented, "TRACE has no answer here")
        }
        onward.headers["Max-Forwards"] = "\(left - 1)"
    }
    onward.isForServer = request.method == .options && hasNoPath(request.target)
    // The target is what counts, whatever the field says (RFC 9112, 3.2.2).
    onward.headers["Host"] = url.authority
    if request.body.length != 0 {
        onward.body = .stream(length: request.body.length) { body in
            for try await piece in request.body.chunks(upTo: .max) { try await body.write(piece) }
        }
    } else if request.headers["Content-Length"] != nil {
        onward.body = .bytes([])
    }

    let answer: ClientResponse
    do { answer = try await client.send(onward) } catch let error as ClientError {
        throw failure(error)
    }
    // The answer to HEAD says how long another one would be.
    let length = request.method == .head ? answer.headers["Content-Length"].flatMap { Int($0) } : answer.body.length
    var response = Response.stream(answer.status, length: length) { body in
        for try await piece in answer.body { try await body.write(piece) }
    }
    response.headers = endToEnd(answer.headers.map { ($0.name, $0.value) }, version: answer.version)
    return response
}

/// What a client is told when the server that it wants has not done its part.
func failure(_ error: ClientError) -> HTTPError {
    HTTPError(error.isTimeout ? .gatewayTimeout : .badGateway, "\(error)")
}

/// Whether a target is a scheme and a host, and nothing else: for the server there (RFC 9112, 3.2.4).
func hasNoPath(_ target: String) -> Bool {
    let parts = target.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
    return parts.count == 3 && !parts[2].contains { $0 == "/" || $0 == "?" }
}

/// Connects a client with the server that it names; from then on nobody looks at what they say.
func tunnel(_ request: Request) async throws -> Response {
    let server: SocketStream
    do { server = try await SocketStream.connect(to: request.target, within: Limits.connect) } catch {
        if error is CancellationError { throw error }
        throw failure(ClientError(.connecting(error), "CONNECT", request.target))
    }
    return Response.tunnel { client in
        let tunnel = Tunnel(client, server)
        let upward = spawn("pump to \(request.target)") { try await tunnel.pump(client, into: server) }
        defer {
            upward.cancel()
            server.close()
        }
        try await tunnel.pump(server, into: client)
        try await upward.value
    }
}

/// Two connections that are each other's ends.
///
/// Invariant: when one of them fails, or nothing moves for too long, both are closed.
final class Tunnel {
    private let ends: [SocketStream]
    private var moved = ContinuousClock.now

    init(_ client: SocketStream, _ server: SocketStream) {
        ends = [client, server]
        for end in ends { (end.readTimeout, end.writeTimeout) = (Limits.idle, Limits.idle) }
    }

    /// Sends on what comes, to its end, which is passed on too: the other direction may still have something to say.
    func pump(_ source: SocketStream, into target: SocketStream) async throws {
        do {
            while case let bytes = try await read(from: source), !bytes.isEmpty {
                moved = .now
                try await target.write(bytes)
                moved = .now
            }
            target.shutdownWrite()
        } catch {
            for end in ends { end.close() }
            throw error
        }
    }

    private func read(from source: SocketStream) async throws -> [UInt8] {
        while true {
            do { return try await source.read(atMost: 64 * 1024) } catch {
                // A silent direction goes on as long as something moves in the other one.
                guard error.reason == .timedOut, moved.duration(to: .now) < Limits.idle else { throw error }
            }
        }
    }
}

/// The fields that are for the other end (RFC 9110, 7.6.1), and who has passed them on (7.6.3).
func endToEnd(_ fields: [(name: String, value: String)], version: HTTPVersion) -> Headers {
    var dropped: Set = [
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade", "content-length",
    ]
    for field in fields where field.name.lowercased() == "connection" {
        for option in field.value.split(separator: ",") {
            dropped.insert(option.lowercased().filter { $0 != " " && $0 != "\t" })
        }
    }
    var headers = Headers()
    for field in fields where !dropped.contains(field.name.lowercased()) { headers.add(field.name, field.value) }
    headers.add("Via", version == .http10 ? "1.0 spork" : "1.1 spork")
    return headers
}
