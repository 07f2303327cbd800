// spork bench compare: servers against one another.
import ArgumentParser
import SporkLoad
import SporkNet

struct BenchCompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compare servers under the same load, in turns.",
        discussion: """
            A contender is a command with {port}, which is started anew for each turn, or the URL of a server that runs. First \
            their answers are compared: status, length, content. Then each round gives every contender a turn, in an order drawn \
            from the seed: a closed loop for the rate, and a fixed rate for the CPU a request costs. The first contender has two \
            turns in each round: what it differs from itself is noise, and less than that is no difference. Ratios are those of \
            turns in the same round; their 95 % interval comes from resampling.

            Exit codes: 0, 1 when a server did not run or answer, 2 for wrong usage, 130 after Ctrl-C, with what there is.
            """
    )

    @Argument(help: ArgumentHelp("Commands with {port}, or URLs.", valueName: "contender"))
    var contenders: [String]

    @Option(help: ArgumentHelp("What commands' servers are asked for.", valueName: "path"))
    var path = "/"

    @Option(
        name: [.customShort("c", allowingJoined: true), .long],
        help: ArgumentHelp("Connections in all.", valueName: "number")
    )
    var connections = 32

    @Option(
        name: [.customShort("t", allowingJoined: true), .long, .customLong("threads")],
        help: ArgumentHelp("Load processes.", valueName: "number")
    )
    var processes = 1

    @Option(
        name: [.customShort("d", allowingJoined: true), .long],
        help: ArgumentHelp("How long each of the two parts of a turn lasts.", valueName: "time")
    )
    var duration = DurationArgument(.seconds(3))

    @Option(
        name: [.customShort("R", allowingJoined: true), .long],
        help: ArgumentHelp("The fixed rate. (default: half of what the slowest does)", valueName: "rate")
    )
    var rate: RateArgument?

    @Option(help: ArgumentHelp("How many rounds; intervals need three.", valueName: "number"))
    var rounds = 5

    @Option(help: ArgumentHelp("What the orders are drawn from. (default: drawn, and printed)", valueName: "number"))
    var seed: UInt64?

    @Option(help: ArgumentHelp("How to print the result.", valueName: "text|json"))
    var format = LoadFormat.text

    @Option(help: ArgumentHelp("Write a report with plots, as one page.", valueName: "file"))
    var html: String?

    func validate() throws {
        guard contenders.count >= 2, contenders.count <= 26 else {
            throw ValidationError("compare takes 2 to 26 contenders")
        }
        for contender in contenders where !contender.hasPrefix("http") && !contender.contains("{port}") {
            throw ValidationError("'\(contender)' is no URL, and a command without {port}")
        }
        guard (1...65_536).contains(connections) else { throw ValidationError("-c takes a number from 1 to 65536") }
        guard (1...1024).contains(processes) else { throw ValidationError("-t takes a number from 1 to 1024") }
        guard duration.duration > .zero else { throw ValidationError("-d takes a time that is not zero") }
        guard (1...10_000).contains(rounds) else { throw ValidationError("--rounds takes a number from 1 to 10000") }
        guard path.hasPrefix("/") else { throw ValidationError("--path takes a path, from its '/' on") }
        if rate?.end != nil { throw ValidationError("-R takes one rate here") }
    }

    func run() throws { try MainActor.assumeIsolated { try compare() } }

    @MainActor private func compare() throws {
        SpawnedServer.catchInterrupts()
        let target = try LoadTarget(url: "http://127.0.0.1\(path)")
        let plan = LoadPlan(
            target: target,
            connections: connections,
            processes: processes,
            duration: duration.duration
        )
        var comparison = LoadComparison(
            contenders.map { .init($0) },
            plan: plan,
            seed: seed ?? .random(in: 0 ... .max)
        )
        comparison.rounds = rounds
        comparison.fixedRate = rate?.start
        let isText = format == .text
        let result = comparison.run(showsProgress: LoadRun.canShowProgress) { if isText { Console.say($0) } }
        Console.say(isText ? result.text : result.json.text)
        if let html { try ResultFile.write(HTMLReport.page(of: result), to: html) }
        if result.isInterrupted { throw ExitCode(130) }
        if let failure = result.failure { throw failure }
        if result.hasFailed {
            Console.complain("a server gave errors or no answer")
            throw ExitCode(1)
        }
    }
}
