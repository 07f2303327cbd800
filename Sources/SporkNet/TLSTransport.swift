// Between OpenSSL and the socket: the I/O object (BIO) through which a connection reads and writes.
//
// It is one of our own because OpenSSL's for sockets writes with write(2), which kills the process with SIGPIPE when the peer is gone,
// and a library should not change what its program does with signals. It also says MSG_MORE, and begins with bytes that were received
// before the handshake. What is given up is kernel TLS, which only OpenSSL's own object can do.
import COpenSSL
import CSporkShims
import Glibc

/// How OpenSSL reaches a socket.
nonisolated struct TLSTransport {
    /// The socket; -1 when it is closed.
    var descriptor: Int32
    /// What was received before the handshake and belongs to it.
    var early: ArraySlice<UInt8> = []
    /// More is written right after this.
    var moreFollows = false
    /// Whether bytes were received or sent since this was set to false.
    var hasReceived = false
    /// The same for sending.
    var hasSent = false
    /// The error of the last system call that failed; 0 for none.
    var errorNumber: Int32 = 0
    /// Whether the peer has ended its direction of the connection.
    var hasEnded = false

    /// A new object for `session`, which has to outlive it.
    static func makeBIO(for session: TLSSession) -> OpaquePointer? {
        guard let bio = BIO_new(method) else { return nil }
        BIO_set_data(bio, Unmanaged.passUnretained(session).toOpaque())
        BIO_set_init(bio, 1)
        return bio
    }

    nonisolated(unsafe) private static let method: OpaquePointer? = {
        let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream")
        BIO_meth_set_write(method) { bio, bytes, count in
            guard let bio, let bytes, count > 0 else { return 0 }
            return TLSTransport.session(of: bio).transport.send(bytes, Int(count), bio)
        }
        BIO_meth_set_read(method) { bio, bytes, count in
            guard let bio, let bytes, count > 0 else { return 0 }
            return TLSTransport.session(of: bio).transport.receive(bytes, Int(count), bio)
        }
        // Nothing is kept here, so flushing is done at once; there is nothing else to control.
        BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        return method
    }()

    private static func session(of bio: OpaquePointer) -> TLSSession {
        // Set in `makeBIO`, and the session frees its I/O objects before it goes.
        Unmanaged<TLSSession>.fromOpaque(BIO_get_data(bio).unsafelyUnwrapped).takeUnretainedValue()
    }

    private mutating func send(_ bytes: UnsafePointer<CChar>, _ count: Int, _ bio: OpaquePointer) -> Int32 {
        spork_tls_bio_clear_retry(bio)
        let result = spork_send(descriptor, bytes, count, moreFollows)
        if result >= 0 {
            hasSent = true
            return Int32(result)
        }
        if result == -Int(EAGAIN) { spork_tls_bio_retry(bio, 1) } else { errorNumber = Int32(-result) }
        return -1
    }

    private mutating func receive(_ bytes: UnsafeMutablePointer<CChar>, _ count: Int, _ bio: OpaquePointer) -> Int32 {
        spork_tls_bio_clear_retry(bio)
        if !early.isEmpty { return takeEarly(into: UnsafeMutableRawBufferPointer(start: bytes, count: count)) }
        while true {
            let result = Glibc.read(descriptor, bytes, count)
            if result > 0 {
                hasReceived = true
                return Int32(result)
            }
            if result == 0 {
                hasEnded = true
                return 0
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: spork_tls_bio_retry(bio, 0)
            default: errorNumber = errno
            }
            return -1
        }
    }

    private mutating func takeEarly(into memory: UnsafeMutableRawBufferPointer) -> Int32 {
        let taken = early.prefix(memory.count)
        memory.copyBytes(from: taken)
        early = early.dropFirst(taken.count)
        hasReceived = true
        return Int32(taken.count)
    }
}
