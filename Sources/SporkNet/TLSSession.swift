// One TLS connection over a stream's socket, as steps that never wait: each is done, or says what it needs first. SocketStream+TLS.swift
// does the waiting.
//
// Invariants: a record that OpenSSL has made and the socket has not taken whole counts as written; `unsent` remembers it, and it goes
// before anything else. So a write that is given up neither loses bytes nor doubles them. After a failure that is OpenSSL's own
// nothing is read or written any more: every step repeats the failure.
import COpenSSL
import Glibc
import SporkLoop

/// The TLS side of a stream.
nonisolated final class TLSSession {
    /// What a step ended with.
    enum Step {
        /// It is done, with so many bytes; 0 from reading is the end that the peer has announced.
        case done(Int)
        /// It has to be tried again when what it needs is there.
        case blocked(Need)
        /// It will never be done.
        case failed(TLSError.Reason)
    }

    /// What the socket must have before a step gets on.
    enum Need {
        /// Input.
        case input
        /// Room for output.
        case room
    }

    /// How many bytes one record carries at most (RFC 8446, 5.1); a step writes one record.
    static let recordSize = 16 * 1024

    /// How many bytes are written in one turn of the loop.
    ///
    /// Encrypting is slower than a fast reader, so that its socket never fills: without a bound it would hold the loop.
    static let mostWrittenInTurn = 1 << 20

    /// What it was made with; kept, because OpenSSL calls back into it.
    let context: TLSContext
    /// Under which name a client keeps its sessions; nil at a server.
    let server: String?
    /// The socket's side.
    var transport: TLSTransport
    /// Whether the handshake has been done.
    private(set) var isEstablished = false
    // How many bytes go into one record: what is offered to OpenSSL at once must never become two.
    private var mostInRecord = TLSSession.recordSize
    /// What the last attempt to read needed; nil when it brought something, so that there may be more.
    private(set) var readerNeed: Need?
    /// What the last attempt to write needed; nil when it got on.
    private(set) var writerNeed: Need?
    /// Who waits; see SocketStream+TLS.swift.
    var waiting = TLSWaiting()

    private let connection: OpaquePointer
    private var unsent = 0
    private var turn: UInt64 = 0
    private var writtenInTurn = 0
    private var failure: TLSError.Reason?
    private var isEnding = false
    private var hasSaidGoodbye = false

    /// A connection that has not begun.
    init(_ context: TLSContext, as role: TLSRole, over transport: TLSTransport) throws(TLSError) {
        ERR_clear_error()
        guard let connection = SSL_new(context.handle) else { throw Self.cannotBegin() }
        self.context = context
        self.connection = connection
        self.transport = transport
        switch role {
        case .client(let serverName): server = serverName
        case .server: server = nil
        }
        // From here on `deinit` frees the connection, also when this throws.
        guard let bio = TLSTransport.makeBIO(for: self) else { throw Self.cannotBegin() }
        SSL_set_bio(connection, bio, bio)
        guard SSL_set_ex_data(connection, 0, Unmanaged.passUnretained(self).toOpaque()) == 1 else {
            throw Self.cannotBegin()
        }
        if let server { try prepareClient(of: server) } else { SSL_set_accept_state(connection) }
    }

    deinit { SSL_free(connection) }

    /// The object that `connection` belongs to.
    static func of(_ connection: OpaquePointer) -> TLSSession? {
        SSL_get_ex_data(connection, 0).map { Unmanaged<TLSSession>.fromOpaque($0).takeUnretainedValue() }
    }

    /// What the handshake has come to.
    var parameters: TLSParameters { TLSParameters(of: connection) }

    /// Whether reading may bring something without the socket having anything.
    ///
    /// Not after an attempt that needed something: what is buffered then is part of a record.
    var mayHaveInput: Bool { failure != nil || (readerNeed == nil && SSL_has_pending(connection) == 1) }

    /// Whether a record waits that counts as written.
    var hasUnsent: Bool { unsent > 0 }

    /// Whether the other direction has to look again: the last step has moved bytes that it may wait for.
    func takeCrossing(afterWriting: Bool) -> Bool {
        let (hasReceived, hasSent) = (transport.hasReceived, transport.hasSent)
        (transport.hasReceived, transport.hasSent) = (false, false)
        if afterWriting, hasReceived {
            // A write reads only while the peer changes keys; what came with that is the reader's, and buffered now.
            readerNeed = nil
            return true
        }
        return (hasReceived || hasSent) && (readerNeed == .room || writerNeed == .input)
    }

    /// Goes on with the handshake.
    func shakeHands() -> Step {
        begin()
        let result = SSL_do_handshake(connection)
        if result == 1 {
            isEstablished = true
            // A client may have asked for shorter records (RFC 6066, 4).
            let code = SSL_get_session(connection).map { SSL_SESSION_get_max_fragment_length($0) } ?? 0
            if (1...4).contains(code) { mostInRecord = 512 << (Int(code) - 1) }
            return .done(0)
        }
        return outcome(of: result)
    }

    /// Reads from one record, as much as fits.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Step {
        precondition(isEstablished, "a stream is read during its TLS handshake")
        if let failure { return .failed(failure) }
        guard buffer.count > 0 else { return .done(0) }
        if unsent > 0 { _ = flush() }
        begin()
        let result = SSL_read(connection, buffer.baseAddress, Int32(clamping: buffer.count))
        if result > 0 {
            readerNeed = nil
            return .done(Int(result))
        }
        let step = outcome(of: result)
        if case .blocked(let need) = step { readerNeed = need } else { readerNeed = nil }
        // It stays so: whoever asks again gets the same answer, and not what OpenSSL makes of a second try.
        if case .failed(let reason) = step { failure = reason }
        return step
    }

    /// Writes one record, of as many of the bytes as go into one.
    ///
    /// - Parameter more: more is written right after these bytes.
    /// - Returns: `.done` also when the socket has not taken all of the record; see `flush`.
    func write(_ bytes: UnsafeRawBufferPointer, more: Bool) -> Step {
        precondition(isEstablished, "a stream is written to during its TLS handshake")
        if let failure { return .failed(failure) }
        if isEnding { return .failed(.system(number: Self.brokenPipe)) }
        if case let step = flush(), !step.isDone { return step }
        let count = min(bytes.count, mostInRecord)
        guard count > 0 else { return .done(0) }
        if turn != EventLoop.turns { (turn, writtenInTurn) = (EventLoop.turns, 0) }
        guard writtenInTurn < Self.mostWrittenInTurn else { return .blocked(.room) }
        writtenInTurn += count
        begin()
        transport.moreFollows = more || count < bytes.count
        let result = SSL_write(connection, bytes.baseAddress, Int32(count))
        transport.moreFollows = false
        if result > 0 {
            writerNeed = nil
            return .done(Int(result))
        }
        let step = writing(outcome(of: result))
        // The handshake's messages go first; while there are any, no record has been made of the bytes.
        guard case .blocked(.room) = step, SSL_in_init(connection) == 0 else { return step }
        unsent = count
        return .done(count)
    }

    /// Sends what is left of a record that counts as written.
    func flush() -> Step {
        guard unsent > 0 else { return .done(0) }
        if let failure { return .failed(failure) }
        begin()
        // OpenSSL has the record; it wants to be called with as many bytes again and does not look at them. If it ever did, nobody's bytes
        // would be sent, and the connection ends.
        let result = SSL_write(connection, TLSScratch.zeros.baseAddress, Int32(unsent))
        guard result > 0 else { return writing(outcome(of: result)) }
        guard result == Int32(unsent) else {
            failure = .system(number: EPROTO)
            return .failed(.system(number: EPROTO))
        }
        (unsent, writerNeed) = (0, nil)
        return .done(0)
    }

    /// Has the next write be under new keys, and the peer change its own as well (RFC 8446, 4.6.3).
    ///
    /// - Returns: whether it will; older versions cannot.
    func changeKeys() -> Bool {
        ERR_clear_error()
        return unsent == 0 && SSL_key_update(connection, SSL_KEY_UPDATE_REQUESTED) == 1
    }

    /// Tells the peer that nothing more is written (close_notify, RFC 8446, 6.1).
    ///
    /// - Returns: `.done` when it is said, or cannot be said any more.
    func sayGoodbye() -> Step {
        isEnding = true
        guard isEstablished, !hasSaidGoodbye, failure == nil else { return .done(0) }
        switch flush() {
        case .blocked(.room): return .blocked(.room)
        case .blocked(.input), .failed: return .done(0)
        case .done: break
        }
        begin()
        let result = SSL_shutdown(connection)
        if result < 0, case .blocked(.room) = outcome(of: result) { return .blocked(.room) }
        hasSaidGoodbye = true
        return .done(0)
    }

    private static let brokenPipe = EPIPE

    private static func cannotBegin(_ name: String = "a connection") -> TLSError {
        TLSError(.ofLastFailure(), "prepare TLS for", name)
    }

    private func prepareClient(of server: String) throws(TLSError) {
        SSL_set_connect_state(connection)
        // To OpenSSL a name ends at a zero: what is behind would not be checked.
        guard !server.utf8.contains(0) else { throw Self.cannotBegin(server) }
        let address = a2i_IPADDRESS(server)
        ASN1_OCTET_STRING_free(address)
        var isSet = true
        if address == nil {
            // A name at the root is the same name; the dot does not go on the wire (RFC 6066, 3).
            let name = server.hasSuffix(".") ? String(server.dropLast()) : server
            // The common name is no name of a server's any more (RFC 9525, 2).
            SSL_set_hostflags(
                connection,
                UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)
            )
            isSet = spork_tls_set_server_name(connection, name) == 1 && SSL_set1_host(connection, name) == 1
        } else {
            isSet = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection), server) == 1
        }
        guard isSet else { throw Self.cannotBegin(server) }
        guard context.configuration.resumesSessions, let session = context.takeSession(for: server) else { return }
        SSL_set_session(connection, session)
        SSL_SESSION_free(session)
    }

    // OpenSSL tells why a call failed from its queue of errors: what others have left there must not be taken for the reason.
    private func begin() {
        transport.errorNumber = 0
        ERR_clear_error()
    }

    private func writing(_ step: Step) -> Step {
        writerNeed = nil
        switch step {
        case .blocked(let need): writerNeed = need
        // No write ends well with nothing written: it would be tried for ever.
        case .done: return .failed(.system(number: Self.brokenPipe))
        case .failed: break
        }
        return step
    }

    private func outcome(of result: Int32) -> Step {
        let error = SSL_get_error(connection, result)
        // A write to a peer that has announced its end and is gone looks like that end to OpenSSL. Neither is remembered: after a
        // write that failed, reading may still bring the reason.
        if transport.errorNumber != 0, error == SSL_ERROR_SYSCALL || error == SSL_ERROR_ZERO_RETURN {
            return .failed(.system(number: transport.errorNumber))
        }
        switch error {
        case SSL_ERROR_ZERO_RETURN: return .done(0)
        case SSL_ERROR_WANT_READ: return .blocked(.input)
        case SSL_ERROR_WANT_WRITE: return .blocked(.room)
        default:
            let reason = error == SSL_ERROR_SYSCALL ? .truncated : TLSError.Reason.ofLastFailure(on: connection)
            failure = reason
            return .failed(reason)
        }
    }
}

extension TLSSession.Step {
    nonisolated fileprivate var isDone: Bool { if case .done = self { true } else { false } }
}
