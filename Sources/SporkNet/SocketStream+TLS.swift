// TLS on a stream: the handshake, and what reading, waiting and closing mean from then on. Everything above a stream stays as it is.
// Called by the stream's own calls when it has been secured, after one look at `tlsSession`; writing is in SocketStream+TLSWriting.swift.
//
// Invariant: no call into OpenSSL blocks, and none is made once the descriptor is closed.
import Glibc
import SporkLoop
import SporkTasks

extension SocketStream {
    /// How long a close may take to tell the peer that it is meant, when the peer does not take what was written before.
    public static let closeLimit: Duration = .seconds(10)

    /// Secures the stream: does the TLS handshake, after which all reading and writing goes through TLS.
    ///
    /// A client checks the peer's certificate: that somebody whom `context` trusts vouches for it, that it is valid now, and that it
    /// belongs to the name or address in `role`. Bytes that were received before belong to the handshake. When this throws, the stream
    /// is closed. A handshake costs about a millisecond of processor time, mostly for the certificate; one that takes up an earlier
    /// session a fraction of it.
    ///
    /// From then on an end of the connection that the peer has not announced makes reads throw `.truncated`; `shutdownWrite` and
    /// `close` announce this side's. A stream that goes without `close` does not.
    ///
    /// - Parameter limit: how long the handshake may take, however the peer spreads it; nil for ever.
    /// - Throws: `TLSError` naming the server or the peer; `CancellationError`.
    public func secure(
        with context: TLSContext,
        as role: TLSRole,
        within limit: Duration? = TLSContext.defaultHandshakeLimit
    ) async throws {
        precondition(tlsSession == nil, "a stream is secured once")
        let name: String
        switch role {
        case .client(let serverName):
            precondition(context.side == .client, "a client needs a client's context")
            name = serverName
        case .server:
            precondition(context.side == .server, "a server needs a server's context")
            name = label
        }
        do {
            guard descriptor >= 0 else { throw TLSError(.closed, Self.handshake, name) }
            var transport = TLSTransport(descriptor: descriptor)
            if let unread { transport.early = unread.take(unread.count)[...] }
            let session = try TLSSession(context, as: role, over: transport)
            tlsSession = session
            try await shakeHands(session, with: name, until: .fromNow(limit))
        } catch {
            close()
            throw error
        }
    }

    /// What the handshake has come to; nil when the stream is not secured, or closed.
    public var tlsParameters: TLSParameters? {
        guard let tlsSession, tlsSession.isEstablished else { return nil }
        return tlsSession.parameters
    }

    /// Has both directions change their keys with what is written next; for connections that carry very much.
    ///
    /// - Returns: whether they will. Not in TLS 1.2, and not while a record waits for room.
    package func changeKeys() -> Bool { tlsSession?.changeKeys() ?? false }

    private static let handshake = "TLS handshake with"

    private func shakeHands(_ session: TLSSession, with name: String, until deadline: Deadline) async throws {
        while true {
            guard descriptor >= 0 else { throw TLSError(.closed, Self.handshake, name) }
            let need: TLSSession.Need
            switch session.shakeHands() {
            case .done: return
            case .failed(let reason): throw TLSError(reason, Self.handshake, name)
            case .blocked(let what): need = what
            }
            // A peer that sends a byte now and then wakes this before its timer does.
            guard !deadline.hasPassed else { throw TLSError(.timedOut, Self.handshake, name) }
            switch await wait(on: session, for: need, until: deadline) {
            case .woken: continue
            case .closed: throw TLSError(.closed, Self.handshake, name)
            case .timedOut: throw TLSError(.timedOut, Self.handshake, name)
            case .cancelled: throw CancellationError()
            }
        }
    }

    /// Reads what TLS has, as much as fits and one record holds.
    @inline(never)
    func tryReceive(
        through session: TLSSession,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(StreamError) -> Int? {
        let step = session.read(into: buffer)
        if session.takeCrossing(afterWriting: false) { wakeAll(of: session) }
        switch step {
        case .done(let count): return count
        case .blocked: return nil
        case .failed(let reason): throw failure(StreamError.Reason(reason), "read from")
        }
    }

    /// Suspends until TLS may have something to read.
    func waitUntilReadable(through session: TLSSession, until deadline: Deadline) async throws(StreamError) {
        if session.mayHaveInput { return }
        let deadline = try readLimit < .infinity ? min(deadline, waitLimit(readLimit, "read from")) : deadline
        precondition(session.waiting.reader.isFree, "two coroutines wait to read from one stream")
        let ticket = session.waiting.reader.take()
        let outcome = await wait(on: session, for: session.readerNeed ?? .input, until: deadline)
        session.waiting.reader.leave(ticket)
        if outcome != .woken { throw end(of: outcome, "read from") }
    }

    /// Suspends until TLS may get on with writing.
    func waitUntilWritable(through session: TLSSession) async throws(StreamError) {
        let deadline = try writeLimit < .infinity ? waitLimit(writeLimit, "write to") : .never
        precondition(session.waiting.writer.isFree, "two coroutines wait to write to one stream")
        let ticket = session.waiting.writer.take()
        let outcome = await wait(on: session, for: session.writerNeed ?? .room, until: deadline)
        session.waiting.writer.leave(ticket)
        if outcome != .woken { throw end(of: outcome, "write to") }
    }

    /// Wakes everybody who waits: they look again whether they can go on.
    func wakeAll(of session: TLSSession) {
        readiness.interruptReader()
        readiness.interruptWriter()
        session.waiting.others?.wakeAll()
    }

    /// Announces the end of this direction, and ends it.
    ///
    /// When the socket is full that takes a coroutine of its own, as long as a write may take.
    func endWriting(through session: TLSSession) {
        guard case .blocked = session.sayGoodbye() else {
            shutdown(descriptor, Int32(SHUT_WR))
            return
        }
        spawn("end a TLS stream") { [self] in
            let deadline = Deadline.fromNow(writeTimeout ?? Self.closeLimit)
            while case .blocked = session.sayGoodbye() {
                guard await wait(on: session, for: .room, until: deadline) == .woken, descriptor >= 0 else { return }
            }
            if descriptor >= 0 { shutdown(descriptor, Int32(SHUT_WR)) }
        }
    }

    /// Lets a close be a plain one, that announces nothing.
    func forgetTLS() {
        guard let session = tlsSession else { return }
        session.waiting.others?.wakeAll(.closed)
        session.transport.descriptor = -1
        tlsSession = nil
    }

    /// Closes the descriptor, not before the end has been announced.
    ///
    /// When the socket is full a coroutine of its own waits for room, within `closeLimit`, and closes then: what was written before
    /// would reach the peer after a plain close, too.
    func close(through session: TLSSession) {
        session.waiting.others?.wakeAll(.closed)
        let descriptor = descriptor
        guard case .blocked = session.sayGoodbye() else {
            session.transport.descriptor = -1
            Glibc.close(descriptor)
            return
        }
        spawn("close a TLS stream") {
            let readiness = Readiness(descriptor: descriptor)
            let deadline = Deadline.fromNow(Self.closeLimit)
            while case .blocked = session.sayGoodbye() {
                guard await readiness.writable(until: deadline) == .woken else { break }
            }
            readiness.close()
            session.transport.descriptor = -1
            Glibc.close(descriptor)
        }
    }

    // The one place where TLS waits for the socket; see TLSWaiting for who waits where.
    private func wait(
        on session: TLSSession,
        for need: TLSSession.Need,
        until deadline: Deadline
    ) async -> Wait.Outcome {
        if need == .input ? session.waiting.isForInput : session.waiting.isForRoom {
            let others = session.waiting.others ?? WaitList()
            session.waiting.others = others
            let wait = Wait()
            return await wait.park(in: others, until: deadline, for: Wait.Reason("TLS on descriptor", Int(descriptor)))
        }
        let outcome: Wait.Outcome
        switch need {
        case .input:
            session.waiting.isForInput = true
            outcome = await readiness.readable(until: deadline)
            session.waiting.isForInput = false
        case .room:
            session.waiting.isForRoom = true
            outcome = await readiness.writable(until: deadline)
            session.waiting.isForRoom = false
        }
        session.waiting.others?.wakeAll(outcome == .closed ? .closed : .woken)
        return outcome
    }
}

extension StreamError.Reason {
    /// What the end of a step of TLS is to a stream.
    nonisolated init(_ reason: TLSError.Reason) {
        switch reason {
        case .truncated: self = .truncated
        case .system(let number): self = .system(number: number)
        default: self = .tls(reason)
        }
    }
}
