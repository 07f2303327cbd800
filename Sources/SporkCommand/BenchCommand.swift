// spork bench: load on a URL with wrk's habits, and the sweep over numbers of workers.
import ArgumentParser
import Glibc
import SporkLoad
import SporkNet

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Put load on an HTTP server and measure it.",
        discussion: """
            Closed loop: each connection sends its next request when it has the answer to the last. Every answer's \
            latency is counted, in an exact histogram. Ctrl-C ends a run with what there is.

            Open loop, with -R: requests are due at that rate whether the server keeps up or not, and each one's \
            latency counts from the moment when it was due. The service time, from the real sending, and the \
            generator's own lag stand beside it.

            Exit codes: 0 for a run with answers, 1 when there was none or no run, 2 for wrong usage, 3 when what --slo asks \
            for was missed, --find found no rate, or an answer was not what --verify, --expect-status, --expect-body or \
            --ledger want, 130 after Ctrl-C, which ends everything with what there is, unjudged.

            Several URLs take turns; each connection belongs to one host and port, and the connections are divided \
            between them. A batch of -p goes to one URL. Answers are counted by status; --verify, --expect-status and \
            --expect-body compare every one. Failures are told by phase (connect, tls, write, head, body, and idle \
            close: the server ended a used connection while the request was on its way) and the error's name.

            --find climbs twice as fast each time, halves what lies between, and measures what it has found once more; a \
            rate holds when the objective is met, 99 % of the requests that were due were sent in time, no load process died, \
            and nothing went wrong, unless the objective has a clause on errors.

            The verdict is ERRORS when anything failed or an answer was an error; GENERATOR-BOUND when the \
            generator ran out of descriptors or ports, when a load process ran or was ready to run for more than 90 % of the time, or when the p99 of its own lag is more than 1 ms \
            and than a tenth of the latency's; STARVED when connections had no answer or fewer than 90 % of the \
            requests that should be out, less one, were out on average, by Little's law (closed loop), or fewer than 99 % of the requests that were \
            due were sent in time (open loop); else VALID.

            --format json prints one object: requests, duration_seconds, requests_per_second; errors by kind and \
            errors.total; latency_microseconds with min, mean, p50, p90, p99, p99_9, max (null without an answer); \
            generator with cpu_seconds and lag_p99_microseconds; server; verdict; errors_by_phase; status_classes; \
            latency_histogram (HdrHistogram V2, base64); urls, ledger and slo where they are asked for; accounted: whether \
            every request ended in exactly one way.

            With --sweep, the command of --spawn is run once for each number of workers, with {workers} and {port} \
            filled in, and measured: spork bench --sweep workers=1,2,4 --spawn 'spork serve site -w {workers} \
            -b 127.0.0.1:{port}'
            """
    )

    @Argument(
        help: ArgumentHelp(
            """
            http[s]://HOST[:PORT][/PATH], or tcp://HOST:PORT for a server that sends everything back. Of several, each is \
            asked for in turn. With --sweep only the path counts.
            """,
            valueName: "url"
        )
    )
    var addresses: [String] = []

    var url: String? { addresses.first }

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
        help: ArgumentHelp(
            "How long: 500ms, 10s, 2m, 1h. (default: 10s, with -n no limit)",
            valueName: "time"
        )
    )
    var duration: DurationArgument?

    @Option(
        name: [.customShort("n", allowingJoined: true), .long],
        help: ArgumentHelp("How many requests in all.", valueName: "number")
    )
    var requests: Int?

    @Option(
        name: [.customShort("p", allowingJoined: true), .customLong("pipeline")],
        help: ArgumentHelp("Requests that a connection sends at once before it waits.", valueName: "number")
    )
    var pipelining = 1

    @Option(
        name: [.customShort("m", allowingJoined: true), .long],
        help: ArgumentHelp("The method of the requests; GET, with -b POST.", valueName: "method")
    )
    var method: String?

    @Option(
        name: [.customShort("b", allowingJoined: true), .customLong("body"), .customLong("data")],
        help: ArgumentHelp("The content of the requests, @FILE for that of a file.", valueName: "text|@file")
    )
    var body: BodyArgument?

    @Flag(name: .customLong("no-keepalive"), help: "A connection for each request; latency counts connecting, too.")
    var closesConnections = false

    @Option(
        help: ArgumentHelp("Connect to this socket, a path or @NAME; the URL only names the host.", valueName: "path")
    )
    var unixSocket: UnixSocketArgument?

    @Flag(name: [.customShort("k"), .long], help: "Believe every certificate.")
    var insecure = false

    @Option(
        name: [.customShort("T", allowingJoined: true), .long],
        help: ArgumentHelp("How long an answer may take.", valueName: "time")
    )
    var timeout = DurationArgument(.seconds(2))

    @Option(
        name: [.customShort("R", allowingJoined: true), .long],
        help: ArgumentHelp("Open loop: requests a second in all, A:B for a ramp.", valueName: "rate")
    )
    var rate: RateArgument?

    @Option(help: ArgumentHelp("How the requests of -R lie in time.", valueName: "constant|poisson|burst:N"))
    var arrivals = ArrivalsArgument.constant

    @Option(
        name: [.customShort("H", allowingJoined: true), .long],
        help: ArgumentHelp("A field for each request.", valueName: "name: value")
    )
    var header: [String] = []

    @Flag(name: [.customShort("L"), .long], help: "Print the latency distribution, which is always printed.")
    var latency = false

    @OptionGroup var checks: BenchChecks

    @Option(help: ArgumentHelp("How to print the result.", valueName: "text|json"))
    var format = LoadFormat.text

    @Option(help: ArgumentHelp("Numbers of workers to measure one after the other.", valueName: "workers=1,2,4"))
    var sweep: SweepArgument?

    @OptionGroup var measure: MeasureOptions

    /// Until it has its requests: as good as for ever.
    private static let longest: Duration = .seconds(365 * 24 * 3600)

    var length: Duration { duration?.duration ?? (requests == nil ? .seconds(10) : Self.longest) }

    func validate() throws {
        guard (1...65_536).contains(connections) else { throw ValidationError("-c takes a number from 1 to 65536") }
        guard (1...1024).contains(processes) else { throw ValidationError("-t takes a number from 1 to 1024") }
        guard length > .zero, timeout.duration > .zero else {
            throw ValidationError("-d and -T take a time that is not zero")
        }
        guard header.allSatisfy({ $0.contains(":") && $0.utf8.allSatisfy { $0 >= 0x20 } }) else {
            throw ValidationError("-H takes a field of the form 'Name: value'")
        }
        guard (1...4096).contains(pipelining) else { throw ValidationError("-p takes a number from 1 to 4096") }
        guard requests ?? 1 > 0 else { throw ValidationError("-n takes a number that is not zero") }
        guard method?.isToken ?? true else { throw ValidationError("-m takes a method such as PUT") }
        try validateModes()
        try validateChecks()
        if rate != nil, requests != nil { throw ValidationError("-R goes without -n: a rate and -d are a number") }
        if rate != nil, pipelining > 1 { throw ValidationError("-R goes without -p") }
        if pipelining > 1, closesConnections { throw ValidationError("-p goes without --no-keepalive") }
        if rate == nil, arrivals != .constant { throw ValidationError("--arrivals goes with -R") }
        if rate?.end != nil, arrivals != .constant { throw ValidationError("a ramp has constant arrivals") }
        switch (sweep, measure.spawn, url) {
        case (nil, nil, nil) where checks.urls == nil: throw ValidationError("a URL is missing")
        case (.some, nil, _): throw ValidationError("--sweep goes with --spawn 'COMMAND with {workers} and {port}'")
        default: break
        }
    }

    func run() throws {
        try MainActor.assumeIsolated {
            if let sweep, let spawn = measure.spawn { try run(sweep, of: spawn) } else { try runOnServer() }
        }
    }

    @MainActor func run(on targets: [LoadTarget], watching server: ServerWatch?) throws {
        let plan = try plan(targets)
        if let find = checks.find { return try search(find, plan, watching: server) }
        if format == .text { Console.say(LoadSummary.heading(plan)) }
        var run = LoadRun(plan, showsProgress: LoadRun.canShowProgress)
        run.observer = observer(of: server)
        // From here on a signal ends the run, not this process: whatever comes, the report is printed.
        SpawnedServer.catchInterrupts()
        let result = try run.run()
        let summary = LoadSummary(plan, result, objective: checks.slo)
        Console.say(format == .text ? summary.text : summary.json.text)
        try checks.writeHistograms(of: result)
        try writeFiles(summary)
        if result.isInterrupted || SpawnedServer.isInterrupted { throw ExitCode(130) }
        if result.tally.responses == 0 {
            Console.complain("\(plan.target.url) gave no answer")
            throw ExitCode(1)
        }
        if summary.missesObjective || summary.hasUnexpectedAnswers { throw ExitCode(3) }
    }

    /// A plan with all that the options say.
    @MainActor func plan(_ targets: [LoadTarget]) throws -> LoadPlan {
        var plan = LoadPlan(targets: targets, connections: connections, processes: processes, duration: length)
        try fill(&plan)
        plan.requests = requests
        plan.schedule = rate.map { $0.schedule(arrivals, over: length) }
        try fillChecks(&plan)
        return plan
    }

    @MainActor private func fill(_ plan: inout LoadPlan) throws {
        plan.timeout = timeout.duration
        plan.fields = header
        plan.body = try body?.bytes
        plan.method = method ?? (body == nil ? "GET" : "POST")
        plan.pipelining = pipelining
        plan.keepsAlive = !closesConnections
        if insecure { plan.tls.trust = .anyone }
    }

    @MainActor private func run(_ argument: SweepArgument, of command: String) throws {
        let target = try LoadTarget(url: url?.replacingPort() ?? "http://127.0.0.1/", at: .loopback(port: 80))
        SpawnedServer.catchInterrupts()
        var plan = LoadPlan(target: target, connections: connections, processes: processes, duration: length)
        try fill(&plan)
        try fillChecks(&plan)
        let sweep = LoadSweep(command: command, workers: argument.workers, plan: plan)
        let isText = format == .text
        let (rows, failure) = sweep.run(showsProgress: LoadRun.canShowProgress) { if isText { Console.say($0) } }
        Console.say(isText ? sweep.scalingText(rows) : sweep.json(rows).text)
        if let path = measure.html { try ResultFile.write(HTMLReport.page(of: sweep, rows), to: path) }
        if let failure { throw failure }
        if rows.count < argument.workers.count || rows.contains(where: \.result.isInterrupted) { throw ExitCode(130) }
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
