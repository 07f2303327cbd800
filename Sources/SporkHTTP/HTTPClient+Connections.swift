// How a client gets its connections: does what the pool says. Part of HTTPClient; ClientExchange calls it.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks

extension HTTPClient {
    /// Whom a connection is to, and so for which requests it can be used.
    struct Origin: Hashable {
        let isSecure: Bool
        let host: String
        let port: UInt16
        let address: SocketAddress?

        init(_ request: ClientRequest) {
            isSecure = request.url.isSecure
            host = request.url.host
            port = request.url.port
            address = request.address
        }
    }

    /// What a request is given.
    enum Grant {
        case use(ClientConnection)
        case connect(Int)
    }

    /// A connection for an exchange: one that was silent, or another one.
    ///
    /// - Parameter fresh: only one that has not been silent.
    func takeConnection(for exchange: ClientExchange, fresh: Bool) async throws -> ClientConnection {
        let origin = Origin(exchange.request)
        while true {
            guard !isClosed else { throw exchange.error(.closed) }
            switch try await grant(for: exchange, origin, fresh) {
            case .use(let connection):
                if connection.wake() { return connection }
                discard(connection)
            case .connect(let number):
                do {
                    // It may have waited for long.
                    guard !isClosed else { throw exchange.error(.closed) }
                    let connection = ClientConnection(number, try await connect(to: origin, until: exchange.deadline))
                    connections[number] = connection
                    made += 1
                    return connection
                } catch {
                    perform(pool.on(.ended(number)))
                    if let error = error as? any CancellationReport, error.isCancellation { throw CancellationError() }
                    if error is CancellationError || error is ClientError { throw error }
                    throw exchange.error(.connecting(error))
                }
            }
        }
    }

    /// Takes back a connection that can be used again.
    func release(_ connection: ClientConnection) {
        guard !isClosed else { return discard(connection) }
        perform(pool.on(.released(connection.number)))
    }

    /// Takes back one that cannot.
    func discard(_ connection: ClientConnection) {
        connections[connection.number] = nil
        connection.close()
        perform(pool.on(.ended(connection.number)))
    }

    func perform(_ actions: [ConnectionPool<Origin>.Action]) {
        for action in actions {
            switch action {
            case .connect(let request, let number): promises[request]?.fulfill(.connect(number))
            case .use(let request, let number):
                if let connection = connections[number] { promises[request]?.fulfill(.use(connection)) }
            case .park(let number):
                connections[number]?.park(for: configuration.idleTime) { [unowned self] in
                    guard let connection = connections[number] else { return }
                    discard(connection)
                }
            case .close(let number): connections.removeValue(forKey: number)?.close()
            }
        }
    }

    private func grant(for exchange: ClientExchange, _ origin: Origin, _ fresh: Bool) async throws -> Grant {
        lastRequest += 1
        let (number, promise) = (lastRequest, Promise<Grant>())
        promises[number] = promise
        defer { promises[number] = nil }
        perform(pool.on(.wanted(request: number, origin, fresh: fresh)))
        if let result = promise.result { return try result.get() }
        do {
            let due = min(.fromNow(configuration.placeTimeout), exchange.deadline)
            return try await promise.value(within: Self.left(until: due))
        } catch {
            switch promise.result {
            // Both have happened: it is for the next.
            case .success(.use(let connection)): release(connection)
            case .success(.connect(let number)): perform(pool.on(.ended(number)))
            default: perform(pool.on(.gaveUp(request: number)))
            }
            guard error is TimeoutError else { throw error }
            throw exchange.error(.timedOut(exchange.deadline.isOver ? .request : .place))
        }
    }

    private func connect(to origin: Origin, until deadline: Deadline) async throws -> SocketStream {
        let due = min(.fromNow(configuration.connectTimeout), deadline)
        let stream: SocketStream
        if let address = origin.address {
            stream = try await SocketStream.connect(to: address, within: Self.left(until: due))
        } else {
            stream = try await SocketStream.connect(
                to: origin.host,
                port: origin.port,
                within: Self.left(until: due),
                resolver: configuration.resolver ?? .shared
            )
        }
        guard origin.isSecure else { return stream }
        do {
            let role = TLSRole.client(serverName: origin.host)
            try await stream.secure(with: try context(), as: role, within: Self.left(until: due))
            return stream
        } catch {
            stream.close()
            throw error
        }
    }

    private func context() throws -> TLSContext {
        if let tls { return tls }
        var settings = configuration.tls
        settings.applicationProtocols = ["http/1.1"]
        let made = try TLSContext(settings, for: .client)
        tls = made
        return made
    }

    private static func left(until deadline: Deadline) -> Duration? {
        guard deadline < .never else { return nil }
        return .seconds(max(0, deadline.seconds - EventLoop.monotonicSeconds()))
    }
}
