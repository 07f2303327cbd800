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

    @OptionGroup var processes: ProcessOptions

    func run() throws {
        let (addresses, settings) = (bind.map(\.address), processes.settings)
        try MainActor.assumeIsolated {
            let server = try EchoServer(addresses: addresses, settings: settings)
            try server.run(
                started: { Console.say($0 + "\n") },
                report: { Console.complain($0) }
            )
        }
    }
}
