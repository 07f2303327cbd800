// spork echo: sends everything back, from as many workers as there are processors. What benchmarks of streams measure.
import ArgumentParser
import Spork
import SporkNet

struct EchoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo",
        abstract: "Send back whatever clients send, over TCP and Unix sockets.",
        discussion: """
            A master forks the workers, which share the listening sockets. TERM, QUIT: send back what has come, then end. \
            INT (Ctrl-C): end at once. TTIN, TTOU: one worker more, one fewer.
            """
    )

    @Option(
        name: [.customShort("b", allowingJoined: true), .long],
        help: ArgumentHelp("Where to listen: HOST:PORT, [IPV6]:PORT or unix:/path. Repeatable.", valueName: "address")
    )
    var bind: [BindAddress] = []

    @Option(
        name: [.customShort("w", allowingJoined: true), .long],
        help: ArgumentHelp("How many workers: a number, or auto for one a processor.", valueName: "number|auto")
    )
    var workers: WorkerCount = .auto

    func run() throws {
        let addresses = bind.isEmpty ? [SocketAddress.loopback(port: 9000)] : bind.map(\.address)
        let count = workers.number
        try MainActor.assumeIsolated {
            let server = try EchoServer(addresses: addresses, workers: count)
            try server.run(
                started: { Console.say($0 + "\n") },
                report: { Console.complain($0) }
            )
        }
    }
}
