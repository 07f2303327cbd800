// A connection as a stream of bytes, TCP or Unix. Every call tries the system call first and waits for readiness only
// when it would block.
//
// The `try…` forms never wait. At most one coroutine reads and one writes at a time. The descriptor is closed exactly
// once: by `close` or when the object goes.
import CSporkShims
import Glibc
import SporkLoop

/// A connected socket that coroutines read from and write to.
public final class SocketStream {
    /// How long a read may wait for the peer; nil for ever.
    ///
    /// It is checked while waiting and costs a call nothing.
    public var readTimeout: Duration? {
        didSet { readLimit = readTimeout?.seconds ?? .infinity }
    }

    /// How long a write may wait for the peer to take anything; nil for ever.
    public var writeTimeout: Duration? {
        didSet { writeLimit = writeTimeout?.seconds ?? .infinity }
    }

    /// How many bytes the socket has taken so far: what a write that failed has got rid of, too.
    public private(set) var bytesSent = 0

    private var descriptor: Int32
    // Unsafe only in that `deinit` uses it, which belongs to no actor; the object goes on the loop's thread like all others.
    nonisolated(unsafe) private let readiness: Readiness
    private var readLimit = Double.infinity
    private var writeLimit = Double.infinity

    /// Takes over a connected, non-blocking socket.
    package init(descriptor: Int32) {
        self.descriptor = descriptor
        readiness = Readiness(descriptor: descriptor)
    }

    deinit {
        guard descriptor >= 0 else { return }
        readiness.close()
        Glibc.close(descriptor)
    }

    /// Whether `close` has been called.
    public var isClosed: Bool { descriptor < 0 }

    /// Reads what is there, as much as fits.
    ///
    /// - Returns: the number of bytes, 0 at the end of the stream, nil when it would have blocked.
    public func tryRead(into buffer: UnsafeMutableRawBufferPointer) throws(StreamError) -> Int? {
        guard descriptor >= 0 else { throw .closed }
        while true {
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN: return nil
            default: throw .system(SystemError("read", number: errno))
            }
        }
    }

    /// Suspends until there is something to read, or the end of the stream, or an error to be had.
    ///
    /// - Parameter deadline: ends the wait; beside it the stream's own time limit counts.
    package func waitUntilReadable(until deadline: Deadline = .never) async throws(StreamError) {
        let limit = readLimit < .infinity ? min(deadline, .after(seconds: readLimit)) : deadline
        try Self.check(await readiness.readable(until: limit))
    }

    /// Suspends until the socket takes more.
    package func waitUntilWritable() async throws(StreamError) {
        try Self.check(await readiness.writable(until: writeLimit < .infinity ? .after(seconds: writeLimit) : .never))
    }

    /// Reads as much as fits, waiting until there is something.
    ///
    /// - Returns: the number of bytes, 0 at the end of the stream.
    /// - Throws: `.timedOut` after `readTimeout`, `.closed` when the stream is closed meanwhile.
    public func read(into buffer: UnsafeMutableRawBufferPointer) async throws(StreamError) -> Int {
        while true {
            if let count = try tryRead(into: buffer) { return count }
            try await waitUntilReadable()
        }
    }

    /// Reads up to `count` bytes, waiting until there is something.
    ///
    /// Empty at the end of the stream.
    public func read(atMost count: Int) async throws(StreamError) -> [UInt8] {
        while true {
            var received: Int?
            var failure: StreamError?
            let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
                do throws(StreamError) { received = try tryRead(into: UnsafeMutableRawBufferPointer(buffer)) } catch {
                    failure = error
                }
                initialized = received ?? 0
            }
            if let failure { throw failure }
            if received != nil { return bytes }
            try await waitUntilReadable()
        }
    }

    /// Writes what the socket takes at once.
    ///
    /// - Parameter more: more follows right away, so a short packet may wait for it (MSG_MORE).
    /// - Returns: the number of bytes taken, nil when it would have blocked.
    public func tryWrite(_ bytes: UnsafeRawBufferPointer, more: Bool = false) throws(StreamError) -> Int? {
        guard descriptor >= 0 else { throw .closed }
        guard let start = bytes.baseAddress, bytes.count > 0 else { return 0 }
        return try taken(spork_send(descriptor, start, bytes.count, more), "write")
    }

    /// Writes all of it, waiting as often as the socket is full.
    ///
    /// The memory must stay as it is until the call returns.
    ///
    /// - Throws: `.timedOut` when the peer has taken nothing for `writeTimeout`.
    public func write(_ bytes: UnsafeRawBufferPointer, more: Bool = false) async throws(StreamError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            if let count = try tryWrite(UnsafeRawBufferPointer(rebasing: rest), more: more) {
                rest = rest.dropFirst(count)
            } else {
                try await waitUntilWritable()
            }
        }
    }

    /// Writes all of it, waiting as often as the socket is full.
    public func write(_ bytes: [UInt8]) async throws(StreamError) {
        var written = 0
        while written < bytes.count {
            let result = bytes.withUnsafeBytes { all in
                Result { () throws(StreamError) in try tryWrite(UnsafeRawBufferPointer(rebasing: all[written...])) }
            }
            if let count = try result.get() { written += count } else { try await waitUntilWritable() }
        }
    }

    /// Writes two pieces of memory behind one another, in one system call where the socket takes them.
    package func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) async throws(StreamError) {
        guard descriptor >= 0 else { throw .closed }
        guard let start = first.baseAddress, let next = second.baseAddress, first.count > 0 else {
            return try await write(second)
        }
        let taken = try taken(spork_send_two(descriptor, start, first.count, next, second.count), "write") ?? 0
        if taken < first.count {
            try await write(UnsafeRawBufferPointer(rebasing: first[taken...]), more: true)
            try await write(second)
        } else {
            try await write(UnsafeRawBufferPointer(rebasing: second[(taken - first.count)...]))
        }
    }

    /// Sends a piece of a file without copying it through the process (sendfile).
    ///
    /// - Throws: `.fileTruncated` when the file ends before; the peer has then got less than it was promised.
    public func sendFile(_ file: Int32, from offset: Int, count: Int) async throws(StreamError) {
        // Bounded, so that one connection with a fast reader cannot hold the loop.
        let most = 1 << 20
        var sent = 0
        while sent < count {
            guard descriptor >= 0 else { throw .closed }
            let result = spork_send_file(descriptor, file, Int64(offset + sent), min(count - sent, most))
            if result == 0 { throw .fileTruncated }
            if let taken = try taken(result, "sendfile") { sent += taken }
            if sent < count { try await waitUntilWritable() }
        }
    }

    /// Wakes the coroutine that waits in `waitUntilReadable`, which finds nothing to read and looks why it was woken.
    package func interruptReader() { readiness.interruptReader() }

    /// Ends the stream towards the peer, which may go on sending.
    public func shutdownWrite() {
        guard descriptor >= 0 else { return }
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Closes the stream and wakes who waits on it.
    ///
    /// Harmless when repeated.
    public func close() {
        guard descriptor >= 0 else { return }
        readiness.close()
        Glibc.close(descriptor)
        descriptor = -1
    }

    private static func check(_ outcome: Wait.Outcome) throws(StreamError) {
        switch outcome {
        case .woken: return
        case .cancelled: throw .cancelled
        case .timedOut: throw .timedOut
        case .closed: throw .closed
        }
    }

    private func taken(_ result: Int, _ operation: String) throws(StreamError) -> Int? {
        if result >= 0 {
            bytesSent += result
            return result
        }
        if -result == Int(EAGAIN) { return nil }
        throw .system(SystemError(operation, number: Int32(-result)))
    }
}
