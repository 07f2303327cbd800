// Sockets that systemd has opened for this process (sd_listen_fds(3)): from descriptor 3 on, as many as the environment says, and
// only if it says that they are meant for this process.
import Glibc

/// Sockets passed by systemd.
package nonisolated enum SystemdSockets {
    private static let first: Int32 = 3

    /// The descriptors that are passed.
    static var descriptors: [Int32] {
        let text = { (name: String) in getenv(name).map { String(cString: $0) } }
        return descriptors(listenFDs: text("LISTEN_FDS"), listenPID: text("LISTEN_PID"), process: getpid())
    }

    /// The descriptors that the two variables name for a process.
    package static func descriptors(listenFDs: String?, listenPID: String?, process: Int32) -> [Int32] {
        guard let count = listenFDs.flatMap({ Int32($0) }), (1...1024).contains(count),
            listenPID.flatMap({ Int32($0) }) == process
        else { return [] }
        return Array(first..<first + count)
    }
}
