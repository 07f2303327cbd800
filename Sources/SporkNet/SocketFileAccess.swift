// Who may use a Unix socket's file. Listener and UnixDatagramSocket take it, UnixSocketFile applies it.

/// Mode, owner and group of a Unix socket's file; what is nil stays as the system makes it.
///
/// To connect or send to a socket one needs the permission to write its file (unix(7)), and to search the directories above.
public nonisolated struct SocketFileAccess: Equatable, Sendable {
    /// Permission bits such as 0o660, whatever the process's umask says.
    public var mode: UInt32?
    /// The number of the user who shall own it; only root can give a file away.
    public var owner: UInt32?
    /// The number of its group; others than root can choose among their own groups.
    public var group: UInt32?

    /// Access as given.
    public init(mode: UInt32? = nil, owner: UInt32? = nil, group: UInt32? = nil) {
        self.mode = mode
        self.owner = owner
        self.group = group
    }
}
