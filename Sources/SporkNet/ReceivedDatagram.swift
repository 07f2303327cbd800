// What is known of a datagram that was received into a caller's memory.

/// A datagram that was received.
public nonisolated struct ReceivedDatagram: Equatable, Sendable {
    /// How many of its bytes are in the caller's memory.
    public var count: Int
    /// How many bytes it had when it was sent.
    public var length: Int
    /// Who sent it; `.unix("")` for a Unix socket without a name, which cannot be answered.
    public var sender: SocketAddress

    /// Whether the memory was too small; the rest of the datagram is lost (MSG_TRUNC, recv(2)).
    public var isTruncated: Bool { length > count }
}
