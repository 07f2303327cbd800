// Who is at the other end of a Unix stream.

/// A process as the kernel knew it when the connection was made: what the other end says of itself does not count.
public nonisolated struct PeerCredentials: Equatable, Sendable {
    /// The process's number.
    ///
    /// It may have ended, and another have its number. 0 where it is in a process namespace that cannot be seen from here.
    public var process: Int32
    /// The number of its effective user.
    public var user: UInt32
    /// The number of its effective group.
    public var group: UInt32

    /// Credentials as given.
    public init(process: Int32, user: UInt32, group: UInt32) {
        self.process = process
        self.user = user
        self.group = group
    }
}
