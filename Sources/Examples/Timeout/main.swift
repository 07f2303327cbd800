// The notes' settimeout(5): a client that waits five seconds for an answer, and no longer. Run it against anything that answers a line,
// and against something that does not: swift run example-timeout 127.0.0.1:9000 hello
import Glibc
import Spork

let usage = "usage: example-timeout ADDRESS [LINE]"

func fail(_ message: String, code: Int32) -> Never {
    let line = Array("example-timeout: \(message)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    exit(code)
}

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.contains("--help") {
    print(
        """
        \(usage)
        Connects to ADDRESS, sends LINE ("hello" unless it is given) and prints the line that comes back. Connecting, sending and
        the answer have five seconds each; what takes longer is given up, with exit code 1.
        """
    )
    exit(0)
}
guard (1...2).contains(arguments.count) else { fail(usage, code: 2) }
guard let address = SocketAddress(arguments[0]) else { fail("'\(arguments[0])' is no address", code: 2) }
let line = arguments.count == 2 ? arguments[1] : "hello"

do {
    try EventLoop.run {
        let limit = Duration.seconds(5)
        let connection = try await SocketStream.connect(to: address, within: limit)
        // From here on no read and no write waits longer: the limits belong to the connection, not to each call.
        connection.readTimeout = limit
        connection.writeTimeout = limit
        try await connection.write("\(line)\n")
        if let answer = try await connection.readLine(limit: 64 * 1024) {
            print(answer)
        } else {
            print("\(address) has nothing to say")
        }
    }
} catch { fail("\(error)", code: 1) }
