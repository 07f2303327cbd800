// A forward proxy (RFC 9110, 7.6): requests with an absolute target are sent on, bodies streamed both ways; CONNECT becomes a tunnel of two coroutines.
//
//     example-proxy --bind 127.0.0.1:8080 --workers 2
//     curl -x http://127.0.0.1:8080 http://example.org/ https://example.org/
import Spork

try Server.main { _ in
    var settings = HTTPClient.Configuration()
    settings.connectionsPerOrigin = 256
    // What a client calls itself is its own business.
    settings.userAgent = nil
    let client = HTTPClient(settings)
    let router = Router()
    // Whatever the path is: there are no routes.
    router.use { request, next in
        request.method == .connect ? try await next(request) : try await forward(request, with: client)
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
        if case .timedOut = error.reason { throw HTTPError(.gatewayTimeout, "\(error)") }
        throw HTTPError(.badGateway, "\(error)")
    }
    // The answer to HEAD says how long another one would be.
    let length = request.method == .head ? answer.headers["Content-Length"].flatMap { Int($0) } : answer.body.length
    var response = Response.stream(answer.status, length: length) { body in
        for try await piece in answer.body { try await body.write(piece) }
    }
    response.headers = endToEnd(answer.headers.map { ($0.name, $0.value) }, version: answer.version)
    return response
}

/// Connects a client with the server that it names; from then on nobody looks at what they say.
func tunnel(_ request: Request) async throws -> Response {
    let server: SocketStream
    do { server = try await SocketStream.connect(to: request.target, within: .seconds(10)) } catch {
        if error is CancellationError { throw error }
        throw HTTPError(.badGateway, "\(error)")
    }
    return Response.tunnel { client in
        client.writeTimeout = nil
        let upward = spawn("pump to \(request.target)") { try await pump(client, into: server) }
        defer {
            upward.cancel()
            server.close()
        }
        try await pump(server, into: client)
        try await upward.value
    }
}

/// Sends on what comes, to its end, which is passed on too: the other direction may still have something to say.
func pump(_ source: SocketStream, into target: SocketStream) async throws {
    while case let bytes = try await source.read(atMost: 64 * 1024), !bytes.isEmpty { try await target.write(bytes) }
    target.shutdownWrite()
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
