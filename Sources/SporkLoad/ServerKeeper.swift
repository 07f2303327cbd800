// Ends a server's processes when the one that has started them is gone without ending them itself: killed, or by an error of its own.
// A process beside the server that waits for the end of a pipe whose other end only its parent has, and ends the group then. Begun and
// ended by SpawnedServer.
import CSporkShims
import Glibc
import SporkNet

/// A process that outlives its parent by as long as a server needs to end.
struct ServerKeeper {
    /// How long the server has between TERM and KILL, in seconds.
    private static let patience: UInt32 = 5

    private let pid: pid_t
    private let pipe: Int32

    /// Begins to keep a process group.
    init(of group: pid_t) throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        let failure = -spork_pipe(&ends)
        guard failure == 0 else { throw SystemError("pipe", number: failure) }
        pid = spork_fork()
        if pid == 0 { Self.keep(group, ends) }
        close(ends[0])
        pipe = ends[1]
        guard pid > 0 else {
            close(pipe)
            throw SystemError("fork", number: -pid)
        }
    }

    /// The server has been ended.
    func end() {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
        close(pipe)
    }

    private static func keep(_ group: pid_t, _ ends: [Int32]) -> Never {
        spork_reset_signals()
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] { spork_ignore_signal(number) }
        close(ends[1])
        // Whoever reads what the parent has written shall not have to wait for this process.
        close(STDOUT_FILENO)
        var byte: UInt8 = 0
        while read(ends[0], &byte, 1) < 0, errno == EINTR {}
        kill(-group, SIGTERM)
        for _ in 0..<patience * 20 where kill(-group, 0) == 0 { usleep(50_000) }
        kill(-group, SIGKILL)
        _exit(0)
    }
}
