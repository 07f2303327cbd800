// spork bench: load on a URL with wrk's habits, and the sweep over numbers of workers.
import ArgumentParser
import Glibc
import SporkLoad

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Put load on an HTTP server and measure it.",
        discussion: """
            Closed loop: each connection sends its next request when it has the answer to the last. Every answer's \
            latency is counted, in an exact histogram. Ctrl-C ends a run with what there is.

            With --sweep, the command of --spawn is run once for each number of workers, with {workers} and {port} \
            filled in, and measured: spork bench --sweep workers=1,2,4 --spawn 'spork serve site -w {workers} \
            -b 127.0.0.1:{port}'
            """
    )

    @Argument(help: ArgumentHelp("http://HOST[:PORT][/PATH]. With --sweep only its path counts.", valueName: "url"))
    var url: String?

    @Option(
        name: [.customShort("c", allowingJoined: true), .long],
        help: ArgumentHelp("Connections in all.", valueName: "number")
    )
    var connections = 10

    @Option(
        name: [.customShort("t", allowingJoined: true), .long, .customLong("threads")],
        help: ArgumentHelp("Load processes, each with one thread.", valueName: "number")
    )
    var processes = 2

    @Option(
        name: [.customShort("d", allowingJoined: true), .long],
        help: ArgumentHelp("How long: 500ms, 10s, 2m, 1h.", valueName: "time")
    )
    var duration = DurationArgument(.seconds(10))

    @Option(
        name: [.customShort("T", allowingJoined: true), .long],
        help: ArgumentHelp("How long an answer may take.", valueName: "time")
    )
    var timeout = DurationArgument(.seconds(2))

    @Option(
        name: [.customShort("H", allowingJoined: true), .long],
        help: ArgumentHelp("A field for each request.", valueName: "name: value")
    )
    var header: [String] = []

    @Flag(name: [.customShort("L"), .long], help: "Print the latency distribution, which is always printed.")
    var latency = false

    @Option(help: ArgumentHelp("Numbers of workers to measure one after the other.", valueName: "workers=1,2,4"))
    var sweep: SweepArgument?

    @Option(help: ArgumentHelp("The server's command, with {workers} and {port}.", valueName: "command"))
    var spawn: String?

    func validate() throws {
        guard (1...65_536).contains(connections) else { throw ValidationError("-c takes a number from 1 to 65536") }
        guard (1...1024).contains(processes) else { throw ValidationError("-t takes a number from 1 to 1024") }
        guard duration.duration > .zero, timeout.duration > .zero else {
            throw ValidationError("-d and -T take a time that is not zero")
        }
        guard header.allSatisfy({ $0.contains(":") && $0.utf8.allSatisfy { $0 >= 0x20 } }) else {
            throw ValidationError("-H takes a field of the form 'Name: value'")
        }
        switch (sweep, spawn, url) {
        case (nil, nil, nil): throw ValidationError("a URL is missing")
        case (nil, .some, _): throw ValidationError("--spawn goes with --sweep")
        case (.some, nil, _): throw ValidationError("--sweep goes with --spawn 'COMMAND with {workers} and {port}'")
        case (.some, .some(let command), _) where !command.contains("{port}"):
            throw ValidationError("the command of --spawn has no {port}")
        default: break
        }
    }

    func run() throws {
        try MainActor.assumeIsolated {
            if let sweep, let spawn { try run(sweep, of: spawn) } else if let url { try run(on: url) }
        }
    }

    @MainActor private func run(on url: String) throws {
        var plan = LoadPlan(
            target: try LoadTarget(url: url),
            connections: connections,
            processes: processes,
            duration: duration.duration
        )
        plan.timeout = timeout.duration
        plan.fields = header
        Console.say(LoadSummary.heading(plan))
        let result = try LoadRun(plan, showsProgress: LoadRun.canShowProgress).run()
        Console.say(LoadSummary(plan, result).text)
        if result.isInterrupted { throw ExitCode(130) }
        if result.tally.responses == 0 {
            Console.complain("\(url) gave no answer")
            throw ExitCode(1)
        }
    }

    @MainActor private func run(_ argument: SweepArgument, of command: String) throws {
        var sweep = LoadSweep(
            command: command,
            workers: argument.workers,
            path: try url.map { try LoadTarget(url: $0.replacingPort()).path } ?? "/",
            connections: connections,
            processes: processes,
            duration: duration.duration
        )
        sweep.timeout = timeout.duration
        sweep.fields = header
        let rows = try sweep.run(showsProgress: LoadRun.canShowProgress) { Console.say($0) }
        if rows.contains(where: \.result.isInterrupted) { throw ExitCode(130) }
        if rows.contains(where: { $0.result.tally.responses == 0 }) {
            Console.complain("a server gave no answer")
            throw ExitCode(1)
        }
    }
}

extension String {
    /// A URL with its {port} made a number, so that it can be taken apart.
    fileprivate func replacingPort() -> String {
        split(separator: "{port}", omittingEmptySubsequences: false).joined(separator: "80")
    }
}

/// "workers=1,2,4" as an argument.
struct SweepArgument: ExpressibleByArgument {
    let workers: [Int]

    init?(argument: String) {
        guard argument.hasPrefix("workers=") else { return nil }
        let fields = argument.dropFirst("workers=".count).split(separator: ",", omittingEmptySubsequences: false)
        workers = fields.compactMap { Int($0) }.filter { (1...WorkerCount.most).contains($0) }
        guard workers.count == fields.count else { return nil }
    }
}
