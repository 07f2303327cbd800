// spork serve: a directory over HTTP, from as many workers as there are processors.
import ArgumentParser
import Spork
import SporkNet
import SporkPrefork

struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve a directory over HTTP.",
        discussion: """
            A master forks the workers, which share the listening sockets. TERM, QUIT: finish what has begun, then end. \
            INT (Ctrl-C): end at once. HUP: replace all workers. USR2: replace the program. TTIN, TTOU: one worker more, one fewer. \
            WINCH: drain all workers, keep the master. Times are written 30s, 500ms, 2m, or as a number of seconds.
            """
    )

    @Argument(help: ArgumentHelp("The directory to serve.", valueName: "directory"))
    var directory = "."

    @Option(
        name: [.customShort("b", allowingJoined: true), .long],
        help: ArgumentHelp("Where to listen: HOST:PORT, [IPV6]:PORT or unix:/path. Repeatable.", valueName: "address")
    )
    var bind: [BindAddress] = []

    @OptionGroup var processes: ProcessOptions

    func run() throws {
        let (directory, addresses, settings) = (directory, bind.map(\.address), processes.settings)
        try MainActor.assumeIsolated {
            let server = try DirectoryServer(directory: directory, addresses: addresses, settings: settings)
            try server.run(
                started: { Console.say($0 + "\n") },
                report: { Console.complain($0) }
            )
        }
    }
}

/// An address as an argument.
struct BindAddress: ExpressibleByArgument {
    let address: SocketAddress

    init?(argument: String) {
        guard let address = SocketAddress(argument) else { return nil }
        self.address = address
    }
}

/// A number of workers as an argument.
enum WorkerCount: ExpressibleByArgument {
    case auto
    case exactly(Int)

    /// More are a mistake: every worker is a process.
    static let most = 1024

    init?(argument: String) {
        if argument == "auto" {
            self = .auto
        } else if let number = Int(argument), (1...Self.most).contains(number) {
            self = .exactly(number)
        } else {
            return nil
        }
    }

    var defaultValueDescription: String {
        switch self {
        case .auto: "auto"
        case .exactly(let number): "\(number)"
        }
    }

    var number: Int {
        switch self {
        case .auto: MainActor.assumeIsolated { ProcessorCount.available }
        case .exactly(let number): number
        }
    }
}
