// spork echo: sends everything back, from as many workers as there are processors. What benchmarks of streams measure.
import ArgumentParser
import Spork

struct EchoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo",
        abstract: "Send back whatever clients send, over TCP and Unix sockets.",
        discussion: """
            A master forks the workers, which share the listening sockets. TERM, QUIT: send back what has come, then end. \
            INT (Ctrl-C): end at once. HUP: read the configuration again, replace all workers. USR2: go on as the program on \
            disk. WINCH: drain all workers. TTIN, TTOU: one worker more, one fewer.
            """
    )

    @OptionGroup var processes: ProcessOptions
    @OptionGroup var tls: TLSOptions

    func run() throws {
        let (flags, path) = (processes.values.merging(tls.values) { first, _ in first }, processes.config)
        try MainActor.assumeIsolated {
            try EchoServer.run(
                ConfigurationSource(Setting.ofEcho, flags: flags, path: path),
                started: { Console.say($0 + "\n") },
                report: { Console.complain($0) }
            )
        }
    }
}
