// What only Unix streams can: open descriptors travel beside the bytes, and the kernel tells who is at the other end. Connected pairs
// without an address are made here, too.
import CSporkShims
import Glibc
import SporkLoop

extension SocketStream {
    /// How many descriptors can travel with one call.
    public nonisolated static let mostDescriptors = Int(SPORK_MOST_DESCRIPTORS)

    /// Two Unix streams that are connected to each other (socketpair(2)); one may be kept by a child process.
    ///
    /// - Throws: `SystemError`, naming socketpair.
    public static func pair() throws(SystemError) -> (SocketStream, SocketStream) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw SystemError("socketpair", number: errno) }
        return (SocketStream(descriptor: ends[0]), SocketStream(descriptor: ends[1]))
    }

    /// The process at the other end: who connected, or to whoever connects, who called listen (SO_PEERCRED, unix(7)).
    ///
    /// - Throws: `StreamError`, naming the operation and the peer: operation not supported when it is no Unix stream.
    public func peerCredentials() throws(StreamError) -> PeerCredentials {
        let operation = "ask for the process behind"
        try requireUnix(operation)
        var credentials = PeerCredentials(process: 0, user: 0, group: 0)
        let result = spork_peer_credentials(
            descriptor,
            &credentials.process,
            &credentials.user,
            &credentials.group
        )
        guard result == 0 else { throw failure(.system(number: -result), operation) }
        return credentials
    }

    /// Sends open descriptors with bytes, as much as the socket takes at once (SCM_RIGHTS, unix(7)).
    ///
    /// The other end gets descriptors of its own for the same open files; these here stay open and may be closed when this returns. They
    /// arrive with the first of the bytes, of which there must be one.
    ///
    /// - Returns: the number of bytes taken; the descriptors have gone with them. Nil when it would have blocked.
    /// - Throws: `StreamError`: invalid argument without bytes or with more than `mostDescriptors`; operation not supported when it is no
    ///   Unix stream; too many references when too many travel already (RLIMIT_NOFILE).
    public func trySend(descriptors: [Int32], with bytes: [UInt8]) throws(StreamError) -> Int? {
        try requireUnix("send descriptors to")
        guard !bytes.isEmpty, descriptors.count <= Self.mostDescriptors else {
            throw failure(.system(number: EINVAL), "send descriptors to")
        }
        let result = bytes.withUnsafeBufferPointer { bytes in
            descriptors.withUnsafeBufferPointer { numbers in
                spork_send_descriptors(
                    descriptor,
                    bytes.baseAddress.unsafelyUnwrapped,
                    bytes.count,
                    numbers.baseAddress,
                    numbers.count
                )
            }
        }
        return try taken(result, "send descriptors to")
    }

    /// Sends open descriptors with bytes, waiting as often as the socket is full; like the one that does not wait.
    ///
    /// - Throws: `StreamError`, `.timedOut` after `writeTimeout`. The descriptors have gone if `bytesSent` has grown.
    public func send(descriptors: [Int32], with bytes: [UInt8]) async throws(StreamError) {
        while true {
            if let count = try trySend(descriptors: descriptors, with: bytes) {
                return try await write(bytes[count...])
            }
            try await waitUntilWritable()
        }
    }

    /// Receives what is there, and the descriptors that came with it.
    ///
    /// Descriptors come with the bytes that they were sent with, and never those of two sends at once. A plain read of those bytes, and
    /// reading lines, which takes more from the socket than it returns, have the kernel close them: nothing stays open that
    /// nobody knows of.
    ///
    /// - Parameters:
    ///   - most: how many descriptors are welcome, up to `mostDescriptors`; of more, the rest is closed and told.
    ///   - count: how many bytes to take at most.
    /// - Returns: nil when it would have blocked; no bytes at the end of the stream.
    /// - Throws: `StreamError`: operation not supported when it is no Unix stream.
    public func tryReceive(
        descriptors most: Int,
        withBytes count: Int
    ) throws(StreamError) -> ReceivedDescriptors? {
        let operation = "receive descriptors from"
        try requireUnix(operation)
        precondition(count > 0 && most >= 0, "descriptors come with at least one byte")
        // What was read already came without any.
        if let unread, !unread.isEmpty {
            let bytes = unread.take(min(count, unread.count))
            return ReceivedDescriptors(bytes: bytes, descriptors: [], isTruncated: false)
        }
        let room = min(most, Self.mostDescriptors)
        var (received, isTruncated, result) = (0, false, 0)
        let (descriptor, numbers) = (descriptor, UnsafeMutablePointer<Int32>.allocate(capacity: room + 1))
        defer { numbers.deallocate() }
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            let start = UnsafeMutableRawPointer(buffer.baseAddress.unsafelyUnwrapped)
            result = spork_receive_descriptors(descriptor, start, count, numbers, room, &received, &isTruncated)
            initialized = max(0, result)
        }
        if result == -Int(EAGAIN) { return nil }
        guard result >= 0 else { throw failure(.system(number: Int32(-result)), operation) }
        let descriptors = (0..<received).map { OwnedDescriptor(numbers[$0]) }
        return ReceivedDescriptors(bytes: bytes, descriptors: descriptors, isTruncated: isTruncated)
    }

    /// Receives what is there, and the descriptors that came with it, waiting until there is something; like the one that does not
    /// wait.
    ///
    /// - Throws: `StreamError`, `.timedOut` after `readTimeout`. Nothing was taken then.
    public func receive(descriptors most: Int, withBytes count: Int) async throws(StreamError) -> ReceivedDescriptors {
        while true {
            if let received = try tryReceive(descriptors: most, withBytes: count) { return received }
            try await waitUntilReadable()
        }
    }

    private func requireUnix(_ operation: String) throws(StreamError) {
        guard !isClosed else { throw failure(.closed, operation) }
        var domain: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size)
        guard domain == AF_UNIX else { throw failure(.system(number: EOPNOTSUPP), operation) }
    }
}
