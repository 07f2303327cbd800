// The notes' unix_recv.py: a server that only processes of the same machine can reach, by a socket file. The system tells it who they are.
// Run it: swift run example-unix-receive unix:/tmp/notes.sock
import Glibc
import Spork

let usage = "usage: example-unix-receive ADDRESS [COUNT]"

func fail(_ message: String, code: Int32) -> Never {
    let line = Array("example-unix-receive: \(message)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    exit(code)
}

/// Prints a line at once, also into a pipe.
func say(_ line: String) {
    print(line)
    fflush(nil)
}

/// Prints what one client sends.
func serve(_ connection: SocketStream) async throws {
    let peer = try connection.peerCredentials()
    say("process \(peer.process) of user \(peer.user) has connected")
    for try await line in connection.lines(limit: 8 * 1024) { say("process \(peer.process) says: \(line)") }
    say("process \(peer.process) has gone")
}

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.contains("--help") {
    print(
        """
        \(usage)
        Prints the lines that are sent to ADDRESS, which is unix:/path for a socket file or unix:@name for an abstract name.
        Ends after COUNT connections, or with Ctrl-C; the socket file goes with it.
        """
    )
    exit(0)
}
guard (1...2).contains(arguments.count) else { fail(usage, code: 2) }
guard let address = SocketAddress(arguments[0]), address.isLocal else {
    fail("'\(arguments[0])' is no Unix address", code: 2)
}
guard let count = arguments.count == 2 ? Int(arguments[1]) : .max, count > 0 else {
    fail("'\(arguments[1])' is no count", code: 2)
}

do {
    try EventLoop.run {
        // Mode 0600: nobody but this user may connect.
        let listener = try Listener(address, access: SocketFileAccess(mode: 0o600))
        let interrupted = Signals(SIGINT)
        spawn("wait for Ctrl-C") {
            _ = try await interrupted.next()
            listener.removeSocketFile()
            say("interrupted")
            exit(130)
        }
        say("waiting at \(address)")
        var served: [Coroutine<Void>] = []
        while served.count < count, let connection = try await listener.accept() {
            served.append(spawn { try await serve(connection) })
        }
        listener.removeSocketFile()
        for coroutine in served { try await coroutine.value }
    }
} catch { fail("\(error)", code: 1) }
