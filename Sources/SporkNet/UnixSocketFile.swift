// The file of a Unix socket: it stays behind when its server dies, and must not be taken from one that lives. Listener and
// UnixDatagramSocket bind through here, and have the file removed at the end.
//
// Invariants: a file is replaced only while its directory is locked and after the kernel has said that no socket is behind it; no file is
// ever open to more users than was asked for; a file is removed only if it is the one that was made here.
import CSporkShims
import Glibc

/// A socket file that this process has made.
package nonisolated struct UnixSocketFile {
    private let path: String
    private let device: dev_t
    private let inode: ino_t
    private let process: pid_t

    /// Binds a socket to a path: replaces a file that no socket is behind any more, leaves one alone that is in use.
    ///
    /// - Throws: `SystemError`: address in use when a socket is behind the file; file exists when it is not a socket.
    package static func bind(
        _ descriptor: Int32,
        to path: String,
        access: SocketFileAccess
    ) throws(SystemError) -> UnixSocketFile {
        // Of two who find the same file left over, one might otherwise remove what the other has just bound.
        let lock = lockDirectory(of: path)
        defer { if lock >= 0 { Glibc.close(lock) } }
        // The kernel makes the file with the socket's own mode, less the umask (unix_bind_bsd): set before, there is no moment at which it
        // is wider. Where the file shall belong to others, these get their share when it does.
        let isGivenAway = access.owner != nil || access.group != nil
        if let mode = access.mode, fchmod(descriptor, isGivenAway ? mode & 0o700 : mode) != 0 {
            throw SystemError("set the mode of", "unix:\(path)", number: errno)
        }
        let address = SocketAddress.unix(path)
        if address.withSystemAddress({ Glibc.bind(descriptor, $0, $1) }) != 0 {
            guard errno == EADDRINUSE else { throw SystemError("bind", "unix:\(path)", number: errno) }
            try removeStale(path, isLocked: lock >= 0)
            guard address.withSystemAddress({ Glibc.bind(descriptor, $0, $1) }) == 0 else {
                throw SystemError("bind", "unix:\(path)", number: errno)
            }
        }
        do throws(SystemError) {
            var status = stat()
            guard lstat(path, &status) == 0 else { throw SystemError("look at", "unix:\(path)", number: errno) }
            try apply(access, to: path, status.st_mode & 0o7777)
            return UnixSocketFile(path: path, device: status.st_dev, inode: status.st_ino, process: getpid())
        } catch {
            unlink(path)
            throw error
        }
    }

    /// Takes over the file of a socket that the program before has bound in this process; nil when it is gone.
    package init?(adopting path: String) {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return nil }
        self.init(path: path, device: status.st_dev, inode: status.st_ino, process: getpid())
    }

    private init(path: String, device: dev_t, inode: ino_t, process: pid_t) {
        (self.path, self.device, self.inode, self.process) = (path, device, inode, process)
    }

    /// Removes the file if it still is the one that this process has made.
    ///
    /// To be called while the socket is open: as long as it is, its file's number is not given to another.
    package func remove() {
        var status = stat()
        guard getpid() == process, lstat(path, &status) == 0 else { return }
        if status.st_dev == device, status.st_ino == inode { unlink(path) }
    }

    private static func removeStale(_ path: String, isLocked: Bool) throws(SystemError) {
        var status = stat()
        // Gone meanwhile: whoever removed it has made room.
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw SystemError("bind", "unix:\(path)", number: EEXIST) }
        guard isLocked else { throw SystemError("bind", "unix:\(path)", number: EADDRINUSE) }
        // Asked with a datagram socket whatever is to be bound. No connection is made to a server that lives, and a stream socket that is
        // bound and does not listen yet says wrong type, where it would refuse a stream as if nobody were there.
        let probe = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { throw SystemError("socket for", "unix:\(path)", number: errno) }
        defer { Glibc.close(probe) }
        let answer = SocketAddress.unix(path).withSystemAddress { connect(probe, $0, $1) }
        // Only a refused connection shows that no socket is there; a denied one (EACCES) does not.
        guard answer != 0, errno == ECONNREFUSED else {
            throw SystemError("bind", "unix:\(path)", number: EADDRINUSE)
        }
        guard unlink(path) == 0 || errno == ENOENT else { throw SystemError("replace", "unix:\(path)", number: errno) }
    }

    private static func apply(
        _ access: SocketFileAccess,
        to path: String,
        _ mode: mode_t
    ) throws(SystemError) {
        if access.owner != nil || access.group != nil,
            lchown(path, access.owner ?? uid_t.max, access.group ?? gid_t.max) != 0
        {
            throw SystemError("set the owner of", "unix:\(path)", number: errno)
        }
        // What the umask took away, and the share of a group that it belongs to only now.
        if let wanted = access.mode, wanted & 0o7777 != mode,
            fchmodat(AT_FDCWD, path, wanted & 0o7777, AT_SYMLINK_NOFOLLOW) != 0
        {
            throw SystemError("set the mode of", "unix:\(path)", number: errno)
        }
    }

    // An advisory lock on the directory itself leaves no lock file behind and goes with the process. It is held for as long as a few system
    // calls take; who waits longer than this has met somebody who locks directories for other reasons.
    private static let mostTries = 50

    /// A descriptor whose closing ends the lock; -1 where the directory cannot be locked, and then nothing in it is replaced.
    private static func lockDirectory(of path: String) -> Int32 {
        let end = path.lastIndex(of: "/")
        let directory = end.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = spork_open_read(directory)
        guard descriptor >= 0 else { return -1 }
        for _ in 0..<mostTries {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return descriptor }
            guard errno == EWOULDBLOCK || errno == EINTR else { break }
            usleep(1000)
        }
        Glibc.close(descriptor)
        return -1
    }
}
