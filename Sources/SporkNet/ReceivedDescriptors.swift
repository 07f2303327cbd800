// What came over a Unix stream in one call of SocketStream+Unix.swift.

/// Bytes of a Unix stream, and the descriptors that came with them.
public nonisolated struct ReceivedDescriptors {
    /// The bytes; empty at the end of the stream.
    public var bytes: [UInt8]
    /// The descriptors, in the order in which they were given; they are closed in programs that this process starts.
    public var descriptors: [OwnedDescriptor]
    /// Whether more were sent than the caller had room for, or than this process can open; the kernel has closed those.
    public var isTruncated: Bool
}
