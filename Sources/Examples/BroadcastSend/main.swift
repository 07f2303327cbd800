// The notes' broadcast_send.py: one datagram that every machine of a network gets. Start example-broadcast-receive first, also
// twice. Run it: swift run example-broadcast-send 192.168.1.255:9999 "anyone there?"
import Glibc
import Spork

let usage = "usage: example-broadcast-send ADDRESS MESSAGE [COUNT]"

func fail(_ message: String, code: Int32) -> Never {
    let line = Array("example-broadcast-send: \(message)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    exit(code)
}

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.contains("--help") {
    print(
        """
        \(usage)
        Sends MESSAGE to all machines of a network, COUNT times (once unless it is given). ADDRESS is the network's broadcast
        address and a port, such as 192.168.1.255:9999. After 100 at once, 100 a second go: the socket keeps from being a
        broadcast storm.
        """
    )
    exit(0)
}
guard (2...3).contains(arguments.count) else { fail(usage, code: 2) }
guard let address = SocketAddress(arguments[0]), !address.isLocal else {
    fail("'\(arguments[0])' is no address", code: 2)
}
guard let count = arguments.count == 3 ? Int(arguments[2]) : 1, count > 0 else {
    fail("'\(arguments[2])' is no count", code: 2)
}

do {
    try EventLoop.run {
        let interrupted = Signals(SIGINT)
        spawn("wait for Ctrl-C") {
            _ = try await interrupted.next()
            exit(130)
        }
        // SO_BROADCAST: without it the system refuses to send to everybody.
        let socket = try UDPSocket(options: .broadcast)
        let start = ContinuousClock.now
        for _ in 1...count { try await socket.send(arguments[1], to: address) }
        let time = start.duration(to: .now)
        print("sent '\(arguments[1])' to \(address), \(count) times in \(time.formatted)")
    }
} catch { fail("\(error)", code: 1) }

extension Duration {
    var formatted: String { "\(components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000) ms" }
}
