// Receiving datagrams one by one, into a caller's memory or as arrays of their own.
import CSporkShims
import Glibc
import SporkLoop

extension DatagramSocket {
    /// Receives a datagram if one is there.
    ///
    /// - Returns: what was received; nil when it would have blocked. What does not fit is lost, and told.
    /// - Throws: `DatagramError`; on a connected socket also for an earlier datagram that nobody was there for (ECONNREFUSED).
    public final func tryReceive(
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(DatagramError) -> ReceivedDatagram? {
        guard descriptor >= 0 else { throw receiveFailure(.closed) }
        var storage = sockaddr_storage()
        while true {
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            // With MSG_TRUNC the answer is the datagram's length, even where it is longer than the memory.
            let result = withUnsafeMutableBytes(of: &storage) { bytes in
                let address = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: sockaddr.self)
                return recvfrom(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_TRUNC), address, &length)
            }
            if result >= 0 {
                let sender = withUnsafeBytes(of: &storage) { SocketAddress(sender: $0, length: length) }
                return ReceivedDatagram(count: min(result, buffer.count), length: result, sender: sender)
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: return nil
            case let number: throw receiveFailure(.system(number: number))
            }
        }
    }

    /// Receives a datagram, waiting until there is one.
    ///
    /// The memory must stay valid until the call returns. Costs one system call and no allocation where one is there.
    ///
    /// - Returns: what was received. What does not fit is lost, and told.
    /// - Throws: `DatagramError`: `.timedOut` after `readTimeout`, `.closed`, `.cancelled`; on a connected socket also for an earlier datagram
    ///   that nobody was there for (ECONNREFUSED). Nothing was taken then.
    public final func receive(
        into buffer: UnsafeMutableRawBufferPointer
    ) async throws(DatagramError) -> ReceivedDatagram {
        while true {
            if let received = try tryReceive(into: buffer) { return received }
            try await waitUntilReadable()
        }
    }

    /// Receives a datagram of any length if one is there.
    ///
    /// - Returns: the datagram and who sent it; nil when it would have blocked.
    public final func tryReceive() throws(DatagramError) -> (message: [UInt8], from: SocketAddress)? {
        guard !isLocal else { return try tryReceiveMeasured() }
        guard let received = try tryReceive(into: Self.memory) else { return nil }
        return (Array(Self.memory[..<received.count]), received.sender)
    }

    /// Receives a datagram of any length, waiting until there is one.
    ///
    /// - Throws: `DatagramError`, as receiving into memory does.
    public final func receive() async throws(DatagramError) -> (message: [UInt8], from: SocketAddress) {
        while true {
            if let received = try tryReceive() { return received }
            try await waitUntilReadable()
        }
    }

    /// All datagrams that come, until the socket is closed.
    public final var datagrams: Datagrams { Datagrams(socket: self) }

    // A Unix datagram can be as long as its sender's buffer, so its length is asked for first. Another process that shares the socket could
    // take it in between; if the one behind it is longer it is cut off, which is an error here.
    private func tryReceiveMeasured() throws(DatagramError) -> (message: [UInt8], from: SocketAddress)? {
        guard descriptor >= 0 else { throw receiveFailure(.closed) }
        let length = recv(descriptor, nil, 0, Int32(MSG_PEEK) | Int32(MSG_TRUNC))
        if length < 0, errno != EINTR {
            let number = errno
            if number == EAGAIN { return nil }
            throw receiveFailure(.system(number: number))
        }
        var received: ReceivedDatagram?
        var failure: DatagramError?
        let bytes = [UInt8](unsafeUninitializedCapacity: max(0, length)) { buffer, initialized in
            do throws(DatagramError) { received = try tryReceive(into: UnsafeMutableRawBufferPointer(buffer)) } catch {
                failure = error
            }
            initialized = received?.count ?? 0
        }
        if let failure { throw failure }
        guard let received else { return nil }
        guard !received.isTruncated else { throw receiveFailure(.system(number: EMSGSIZE)) }
        return (bytes, received.sender)
    }

    // Larger than any UDP datagram. One is enough: it is filled and emptied without suspending.
    private static let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
}

extension SocketAddress {
    /// A sender as the kernel tells it; one without a name has an address without bytes.
    nonisolated init(sender bytes: UnsafeRawBufferPointer, length: socklen_t) {
        let system = UnsafeRawBufferPointer(rebasing: bytes[..<min(bytes.count, Int(length))])
        self = SocketAddress(system: system) ?? .unix("")
    }
}
