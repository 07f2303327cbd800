// spork serve: a directory over HTTP, from as many workers as there are processors.
import ArgumentParser
import Spork

struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve a directory over HTTP.",
        discussion: """
            A master forks the workers, which share the listening sockets. TERM, QUIT: finish what has begun, then end. \
            INT (Ctrl-C): end at once. HUP: read the configuration again, replace all workers. USR2: replace the program. \
            TTIN, TTOU: one worker more, one fewer. WINCH: drain all workers, keep the master. Times are written 30s, 500ms, 2m, \
            or as a number of seconds. Flags go before SPORK_ variables of the same names (SPORK_GRACEFUL_TIMEOUT), and these before \
            the file of --config.
            """
    )

    @OptionGroup var options: ServeOptions

    func run() throws {
        let source = options.source
        try MainActor.assumeIsolated {
            try DirectoryServer.run(
                source,
                started: { Console.say($0 + "\n") },
                report: { Console.complain($0) }
            )
        }
    }
}

/// What `spork serve` can be told.
struct ServeOptions: ParsableArguments {
    @Argument(help: ArgumentHelp("The directory to serve. (default: .)", valueName: "directory"))
    var directory: String?

    @OptionGroup(title: "Processes") var processes: ProcessOptions
    @OptionGroup(title: "TLS") var tls: TLSOptions
    @OptionGroup(title: "Connections") var http: HTTPOptions

    /// Where the configuration comes from.
    var source: ConfigurationSource {
        var values = processes.values.merging(http.values) { first, _ in first }
        values.merge(tls.values) { first, _ in first }
        values["directory"] = directory.map { [$0] }
        let (flags, path) = (values, processes.config)
        return MainActor.assumeIsolated { ConfigurationSource(Setting.ofServe, flags: flags, path: path) }
    }
}
