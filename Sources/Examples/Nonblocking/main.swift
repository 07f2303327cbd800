// The notes' setblocking(False): accept and receive never wait; they raise, or say that there is nothing yet, and the program looks again
// later. This is what a loop does for its coroutines, done by hand. Run it: swift run example-nonblocking 127.0.0.1:9000
import Glibc
import Spork

let usage = "usage: example-nonblocking ADDRESS [CONNECTIONS]"

func fail(_ message: String, code: Int32) -> Never {
    let line = Array("example-nonblocking: \(message)\n".utf8)
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
        Waits for connections at ADDRESS and prints what they send, by asking each of them a hundred times a second. Ends after
        CONNECTIONS have come and gone, or with Ctrl-C.
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
        // A limit of zero is the notes' setblocking(False): what would have to wait throws instead.
        do { _ = try await listener.accept(within: .zero) } catch { say("\(error)") }
        say("waiting at \(listener.address)")

        var (connections, gone) = ([SocketStream](), 0)
        while gone < most {
            // The forms that begin with `try` say nil where the others would wait.
            while let connection = try listener.tryAccept() {
                connections.append(connection)
                say("\(connections.count) connected")
            }
            for connection in connections {
                do {
                    while let bytes = try connection.tryRead(atMost: 1024) {
                        if bytes.isEmpty {
                            connection.close()
                            break
                        }
                        say("received \(bytes.count) bytes: \(String(decoding: bytes, as: UTF8.self))")
                    }
                } catch {
                    say("\(error)")
                    connection.close()
                }
            }
            gone += connections.count(where: \.isClosed)
            connections.removeAll(where: \.isClosed)
            // Without this the program would ask as fast as it can, and keep a processor busy with asking.
            try await sleep(for: .milliseconds(10))
        }
    }
} catch { fail("\(error)", code: 1) }
