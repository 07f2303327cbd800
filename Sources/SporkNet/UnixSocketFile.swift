// The file of a Unix socket: it stays behind when its server dies, and must not be taken from one that lives. Listener
// calls this before it binds, the master after it has ended.
import Glibc

package enum UnixSocketFile {
    /// Removes a socket file that nobody listens on.
    ///
    /// - Throws: `SystemError` when somebody does (address in use), or when the file is not a socket.
    package static func removeStale(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw SystemError("bind", "unix:\(path)", number: EEXIST)
        }
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { throw SystemError("socket for", "unix:\(path)", number: errno) }
        defer { Glibc.close(probe) }
        let answer = SocketAddress.unix(path).withSystemAddress { connect(probe, $0, $1) }
        // Only a refused connection shows that the server is gone; a full queue (EAGAIN) or a denied one does not.
        guard answer != 0, errno == ECONNREFUSED else {
            throw SystemError("bind", "unix:\(path)", number: EADDRINUSE)
        }
        unlink(path)
    }

    /// Removes the socket file of a listener that has ended.
    package static func remove(_ path: String) { unlink(path) }
}
