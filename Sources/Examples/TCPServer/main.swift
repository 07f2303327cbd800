// The notes' gevent_tcp_server.py: one coroutine a connection, thousands of them on one thread. It sends lines back, in capitals.
// Run it: swift run example-tcp-server 127.0.0.1:9000 and talk to it with nc 127.0.0.1 9000
import Glibc
import Spork

let usage = "usage: example-tcp-server ADDRESS [CONNECTIONS]"

func fail(_ message: String, code: Int32) -> Never {
    let line = Array("example-tcp-server: \(message)\n".utf8)
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
        Sends every line back in capitals. ADDRESS is HOST:PORT, [IPV6]:PORT or unix:/path; with port 0 the kernel chooses one.
        Ends after CONNECTIONS, or with Ctrl-C; either way what has begun is finished, for five seconds at most.
        """
    )
    exit(0)
}
guard (1...2).contains(arguments.count) else { fail(usage, code: 2) }
guard let address = SocketAddress(arguments[0]) else { fail("'\(arguments[0])' is no address", code: 2) }
guard let most = arguments.count == 2 ? Int(arguments[1]) : .max, most > 0 else {
    fail("'\(arguments[1])' is no number of connections", code: 2)
}

do {
    try EventLoop.run {
        let listener = try Listener(address)
        // Plain variables, shared by all coroutines: there is one thread, so there is nothing to lock.
        var (served, lines) = (0, 0)
        let enough = Event()
        let server = StreamServer([listener]) { connection in
            // The peer has a minute for each line.
            connection.readTimeout = .seconds(60)
            defer {
                served += 1
                if served >= most { enough.set() }
            }
            for try await line in connection.lines(limit: 8 * 1024) {
                lines += 1
                try await connection.write("\(line.uppercased())\n")
            }
        }
        let interrupted = Signals(SIGINT)
        spawn("wait for Ctrl-C") {
            _ = try await interrupted.next()
            enough.set()
        }
        spawn("end") {
            try await enough.wait()
            listener.removeSocketFile()
            server.stop(within: .seconds(5))
        }
        say("waiting at \(listener.address)")
        try await server.run()
        say("\(served) connections, \(lines) lines")
    }
} catch { fail("\(error)", code: 1) }
