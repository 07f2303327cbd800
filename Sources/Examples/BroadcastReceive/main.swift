// The notes' broadcast_recv.py: prints what is sent to everybody. Several of them on one machine all get it.
// Run it: swift run example-broadcast-receive 0.0.0.0:9999
import Glibc
import Spork

let usage = "usage: example-broadcast-receive ADDRESS [COUNT]"

func fail(_ message: String, code: Int32) -> Never {
    let line = Array("example-broadcast-receive: \(message)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    exit(code)
}

/// Prints a line at once, also into a pipe.
func say(_ line: String) {
    print(line)
    fflush(nil)
}

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.contains("--help") {
    print(
        """
        \(usage)
        Prints the datagrams that come to ADDRESS, such as 0.0.0.0:9999 for port 9999 of all networks. Ends after COUNT of
        them, or with Ctrl-C.
        """
    )
    exit(0)
}
guard (1...2).contains(arguments.count) else { fail(usage, code: 2) }
guard let address = SocketAddress(arguments[0]), !address.isLocal else {
    fail("'\(arguments[0])' is no address", code: 2)
}
guard let count = arguments.count == 2 ? Int(arguments[1]) : .max, count > 0 else {
    fail("'\(arguments[1])' is no count", code: 2)
}

do {
    try EventLoop.run {
        // With reuseAddress several programs have the port together, and each gets every broadcast.
        let socket = try UDPSocket(address, options: .reuseAddress)
        let interrupted = Signals(SIGINT)
        spawn("wait for Ctrl-C") {
            _ = try await interrupted.next()
            say("interrupted")
            exit(130)
        }
        say("waiting at \(socket.localAddress ?? address)")
        var received = 0
        for try await (message, from) in socket.datagrams {
            say("\(from) says: \(String(decoding: message, as: UTF8.self))")
            received += 1
            if received == count { break }
        }
    }
} catch { fail("\(error)", code: 1) }
