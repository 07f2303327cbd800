// The notes' unix_send.py: a stream between two processes of one machine, by a socket file. Start example-unix-receive first.
// Run it: swift run example-unix-send unix:/tmp/notes.sock hello "how are you?"
import Glibc
import Spork

let usage = "usage: example-unix-send ADDRESS MESSAGE..."

func fail(_ message: String, code: Int32) -> Never {
    let line = Array("example-unix-send: \(message)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    exit(code)
}

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.contains("--help") {
    print(
        """
        \(usage)
        Sends each MESSAGE as a line to ADDRESS, which is unix:/path for a socket file or unix:@name for an abstract name.
        """
    )
    exit(0)
}
guard arguments.count > 1 else { fail(usage, code: 2) }
guard let address = SocketAddress(arguments[0]), address.isLocal else {
    fail("'\(arguments[0])' is no Unix address", code: 2)
}

do {
    try EventLoop.run {
        let interrupted = Signals(SIGINT)
        spawn("wait for Ctrl-C") {
            _ = try await interrupted.next()
            exit(130)
        }
        let connection = try await SocketStream.connect(to: address, within: .seconds(5))
        connection.writeTimeout = .seconds(5)
        for message in arguments.dropFirst() {
            try await connection.write("\(message)\n")
            print("sent: \(message)")
        }
        connection.close()
    }
} catch { fail("\(error)", code: 1) }
