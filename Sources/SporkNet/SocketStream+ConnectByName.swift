// Connecting to a name: its addresses race (ConnectionRace), each attempt a coroutine of its own.
//
// Invariant: when a call ends, however it does, its coroutines have ended and every descriptor but the winner's is closed.
import Glibc
import SporkLoop
import SporkTasks

extension SocketStream {
    /// Connects to a name, or to an address written out.
    ///
    /// IPv6 and IPv4 are raced as RFC 8305 says: the first address is tried as soon as it is known, the next one beside it after
    /// 250 ms or when it has failed, and the first to be connected is used. A name costs a coroutine for the question and one for
    /// each address that is tried; an address written out costs none.
    ///
    /// - Parameters:
    ///   - host: a name, an IPv4 or IPv6 address, the latter also in brackets.
    ///   - limit: how long all of it may take, resolving included; nil for as long as the system tries.
    ///   - resolver: resolves the name.
    /// - Throws: `NameError` when there is no address; `ConnectError` when none could be connected to; `SystemError` for an address
    ///   written out; `CancellationError` when the coroutine is cancelled meanwhile.
    public static func connect(
        to host: String,
        port: UInt16,
        within limit: Duration? = nil,
        resolver: NameResolver = .shared
    ) async throws -> SocketStream {
        if let address = NameResolver.literal(host, port: port) { return try await connect(to: address, within: limit) }
        return try await Racers(host, port, ConnectionRace.Delays()).run(within: limit, resolver)
    }

    /// Connects to an address or a name with a port, as people write it: "example.org:80", "[::1]:80", "unix:/path".
    ///
    /// What `SocketAddress` reads is read as there, except that "localhost" is the name, with both its addresses. Otherwise as
    /// `connect(to:port:)`.
    ///
    /// - Throws: besides, `SystemError` (destination address required) when there is no port.
    public static func connect(
        to text: String,
        within limit: Duration? = nil,
        resolver: NameResolver = .shared
    ) async throws -> SocketStream {
        let rest = text.hasPrefix("tcp:") ? text.dropFirst(4) : text[...]
        let colon = rest.lastIndex(of: ":") ?? rest.endIndex
        let host = String(rest[..<colon])
        if host != "localhost", let address = SocketAddress(text) {
            return try await connect(to: address, within: limit)
        }
        let port = rest[colon...].dropFirst()
        let isNumber = port.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard isNumber, let port = UInt16(port) else { throw SystemError("connect", text, number: EDESTADDRREQ) }
        return try await connect(to: host, port: port, within: limit, resolver: resolver)
    }

    /// The same with other delays, for tests.
    package static func connect(
        to host: String,
        port: UInt16,
        within limit: Duration? = nil,
        delays: ConnectionRace.Delays,
        resolver: NameResolver
    ) async throws -> SocketStream {
        try await Racers(host, port, delays).run(within: limit, resolver)
    }
}

// The coroutines of one race, and what they report.
private final class Racers {
    private let host: String
    private let port: UInt16
    private var race: ConnectionRace
    private let events = Queue<ConnectionRace.Event>()
    private var question: Coroutine<Void>?
    private var attempts: [Coroutine<Void>] = []
    private var connected: [Int: SocketStream] = [:]
    private var timer = Deadline.never

    init(_ host: String, _ port: UInt16, _ delays: ConnectionRace.Delays) {
        self.host = host
        self.port = port
        race = ConnectionRace(delays: delays)
    }

    func run(within limit: Duration?, _ resolver: NameResolver) async throws -> SocketStream {
        let deadline = Deadline.fromNow(limit)
        let outcome: Result<SocketStream, any Error>
        do {
            try resolve(with: resolver, until: deadline)
            outcome = .success(try await decide(before: deadline))
        } catch { outcome = .failure(error) }
        // They take notice at once, so this does not wait for anybody's peer.
        await question?.cancelAndWait()
        for attempt in attempts { await attempt.cancelAndWait() }
        for stream in connected.values { stream.close() }
        return try outcome.get()
    }

    private func resolve(with resolver: NameResolver, until deadline: Deadline) throws {
        if let known = try resolver.tryAddresses(of: host, port: port) {
            for family in AddressFamily.allCases {
                send(.resolved(family, known.filter { $0.nameFamily == family }))
            }
            return
        }
        question = spawn("resolve \(host)") { [self] in
            do throws(NameError) {
                try await resolver.lookUp(host, until: deadline) { family, addresses in
                    send(.resolved(family, addresses.map { $0.with(port: port) }))
                }
            } catch { send(.resolutionFailed(error)) }
        }
    }

    private func decide(before deadline: Deadline) async throws -> SocketStream {
        while true {
            for action in race.on(try await nextEvent(before: deadline)) {
                switch action {
                case .start(let attempt, let address): start(attempt, address)
                case .setTimer(let delay): timer = .fromNow(delay)
                case .stopTimer: timer = .never
                case .win(let attempt):
                    if let stream = connected.removeValue(forKey: attempt) { return stream }
                case .lose: throw failure
                }
            }
        }
    }

    // What has happened comes before what the time says.
    private func nextEvent(before deadline: Deadline) async throws -> ConnectionRace.Event {
        let next = min(timer, deadline)
        guard next < .never else { return try await events.receive() }
        do {
            return try await events.receive(within: .seconds(max(0, next.seconds - EventLoop.monotonicSeconds())))
        } catch is TimeoutError {
            if deadline.seconds <= EventLoop.monotonicSeconds() { return .limitPassed }
            timer = .never
            return .timerFired
        }
    }

    private func start(_ attempt: Int, _ address: SocketAddress) {
        let coroutine = spawn("connect \(address)") { [self] in
            do {
                connected[attempt] = try await SocketStream.connect(to: address)
                send(.succeeded(attempt: attempt))
            } catch let error as SystemError { send(.failed(attempt: attempt, error)) }
        }
        attempts.append(coroutine)
    }

    private func send(_ event: ConnectionRace.Event) { _ = events.trySend(event) }

    private var failure: any Error {
        if race.attempts.isEmpty {
            return race.hasExpired ? NameError(host, .timedOut) : race.resolutionFailure ?? NameError(host, .noAddress)
        }
        let attempts = race.attempts.map { attempt in
            if case .failed(let error) = attempt.state { return ConnectError.Attempt(attempt.address, error) }
            return ConnectError.Attempt(attempt.address, nil)
        }
        return ConnectError("\(host):\(port)", attempts: attempts, timedOut: race.hasExpired)
    }
}
