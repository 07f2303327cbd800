// Sending datagrams one by one. A datagram goes whole or not at all, so there is nothing left to continue after an error.
import Glibc
import SporkLoop

extension DatagramSocket {
    /// Sends a datagram if it can go at once.
    ///
    /// - Parameter address: where to; nil for a connected socket's peer.
    /// - Returns: its length; nil when it would have blocked, because the socket or a Unix receiver is full or the broadcast budget is spent.
    /// - Throws: `DatagramError`, naming the operation and the address: EMSGSIZE when it is too long (65,507 bytes for UDP over IPv4),
    ///   `.broadcastNotEnabled`, or what the system says.
    public final func trySend(
        _ bytes: UnsafeRawBufferPointer,
        to address: SocketAddress? = nil
    ) throws(DatagramError) -> Int? {
        try attempt(bytes, to: address, hasPassed: false)
    }

    /// Sends a datagram if it can go at once; like the one for memory.
    public final func trySend(_ bytes: [UInt8], to address: SocketAddress? = nil) throws(DatagramError) -> Int? {
        try attempt(bytes, to: address, hasPassed: false)
    }

    /// Sends a text as a datagram if it can go at once; like the one for memory.
    public final func trySend(_ text: String, to address: SocketAddress? = nil) throws(DatagramError) -> Int? {
        try attempt(Array(text.utf8), to: address, hasPassed: false)
    }

    /// Sends a datagram, waiting for room and, where it is a broadcast or multicast, for the budget.
    ///
    /// The memory must stay as it is until the call returns. Costs one system call and no allocation where it can go at once.
    ///
    /// - Parameter address: where to; nil for a connected socket's peer.
    /// - Throws: `DatagramError`, naming the operation and the address: EMSGSIZE when it is too long (65,507 bytes for UDP over IPv4),
    ///   `.broadcastNotEnabled`, `.timedOut` after `writeTimeout`, `.cancelled`, or what the system says. It was not sent then.
    public final func send(
        _ bytes: UnsafeRawBufferPointer,
        to address: SocketAddress? = nil
    ) async throws(DatagramError) {
        var hasPassed = false
        while try attempt(bytes, to: address, hasPassed: hasPassed) == nil {
            hasPassed = try await waitUntilSendable(to: address, hasPassed: hasPassed)
        }
    }

    /// Sends a datagram; like the one for memory.
    public final func send(_ bytes: [UInt8], to address: SocketAddress? = nil) async throws(DatagramError) {
        var hasPassed = false
        while try attempt(bytes, to: address, hasPassed: hasPassed) == nil {
            hasPassed = try await waitUntilSendable(to: address, hasPassed: hasPassed)
        }
    }

    /// Sends a text as a datagram, in UTF-8; like the one for memory.
    public final func send(_ text: String, to address: SocketAddress? = nil) async throws(DatagramError) {
        try await send(Array(text.utf8), to: address)
    }

    /// Sends a text to an address that is a text itself, such as "192.168.1.255:9999"; like the one for memory.
    ///
    /// - Throws: `DatagramError`; `.notAnAddress` when it is none.
    public final func send(_ text: String, to address: String) async throws(DatagramError) {
        guard let address = SocketAddress(address) else { throw DatagramError(.notAnAddress, "send to", address) }
        try await send(text, to: address)
    }

    private func attempt(
        _ bytes: [UInt8],
        to address: SocketAddress?,
        hasPassed: Bool
    ) throws(DatagramError) -> Int? {
        try bytes.withUnsafeBufferPointer { bytes throws(DatagramError) in
            try attempt(UnsafeRawBufferPointer(bytes), to: address, hasPassed: hasPassed)
        }
    }

    private func attempt(
        _ bytes: UnsafeRawBufferPointer,
        to address: SocketAddress?,
        hasPassed: Bool
    ) throws(DatagramError) -> Int? {
        guard descriptor >= 0 else { throw sendFailure(.closed, address) }
        let isLimited = limiter?.applies(to: address ?? peerAddress) ?? false
        if isLimited, limiter?.available(hasPassed: hasPassed) == 0 { return nil }
        while true {
            let flags = Int32(MSG_NOSIGNAL)
            let sent =
                if let address {
                    address.withSystemAddress { sendto(descriptor, bytes.baseAddress, bytes.count, flags, $0, $1) }
                } else {
                    Glibc.send(descriptor, bytes.baseAddress, bytes.count, flags)
                }
            if sent >= 0 {
                // Only what has gone is counted; nothing can come in between, as nothing is awaited.
                if isLimited { limiter?.spend(1) }
                return sent
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: return nil
            case let number: throw sendFailure(reason(number, address), address)
            }
        }
    }
}
