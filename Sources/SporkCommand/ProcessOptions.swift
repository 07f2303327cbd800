// The flags about processes, which all commands that fork workers have in common, and the settings they stand for.
import ArgumentParser
import Spork
import SporkNet
import SporkPrefork

struct ProcessOptions: ParsableArguments {
    @Option(
        name: [.customShort("w", allowingJoined: true), .long],
        help: ArgumentHelp("How many workers: a number, or auto for one a processor.", valueName: "number|auto")
    )
    var workers: WorkerCount = .auto

    @Option(help: ArgumentHelp("How long a worker that ends may finish what it has begun.", valueName: "time"))
    var gracefulTimeout = DurationArgument(ServerSettings().gracefulTimeout)

    @Option(
        help: ArgumentHelp("How long to go on serving after TERM, so that balancers hear of it.", valueName: "time")
    )
    var shutdownDelay = DurationArgument(ServerSettings().shutdownDelay)

    @Option(
        help: ArgumentHelp("Replace a worker that has not got on for so long; off for never.", valueName: "time|off")
    )
    var hangTimeout = OptionalDurationArgument(ServerSettings().hangTimeout)

    @Option(help: ArgumentHelp("How long a worker may take until it serves.", valueName: "time"))
    var bootTimeout = DurationArgument(ServerSettings().bootTimeout)

    @Option(help: ArgumentHelp("Replace a worker after so many requests, give or take a tenth.", valueName: "number"))
    var maxRequests: Int?

    @Option(help: ArgumentHelp("Replace a worker with so much private memory: 300M, 2G.", valueName: "bytes"))
    var maxMemory: MemoryArgument?

    @Option(help: ArgumentHelp("Replace a worker of such an age, give or take a tenth.", valueName: "time"))
    var maxAge: DurationArgument?

    @Option(
        help: ArgumentHelp("One queue of connections for all workers, or one for each.", valueName: "shared|reuseport")
    )
    var accept: AcceptArgument = .init(mode: ServerSettings().accept)

    @Option(help: ArgumentHelp("Connections that the kernel keeps until they are accepted.", valueName: "number"))
    var backlog: Int32 = ServerSettings().backlog

    @Option(help: ArgumentHelp("The user that workers become.", valueName: "name"))
    var user: String?

    @Option(help: ArgumentHelp("The group that workers become; the user's unless given.", valueName: "name"))
    var group: String?

    @Option(help: ArgumentHelp("Where to write the master's process number.", valueName: "path"))
    var pidFile: String?

    @Option(
        help: ArgumentHelp("One processor for each worker, in turn: auto, or numbers: 0,2-3.", valueName: "list|auto")
    )
    var cpuAffinity: AffinityArgument?

    @Option(help: ArgumentHelp("How many descriptors a process may have.", valueName: "number"))
    var nofile: Int?

    @Option(help: ArgumentHelp("Where to take commands: a Unix socket for this user only.", valueName: "path"))
    var control: String?

    func validate() throws {
        if let maxRequests, maxRequests < 1 { throw ValidationError("--max-requests: at least 1 is needed") }
        if let nofile, nofile < 16 { throw ValidationError("--nofile: at least 16 are needed") }
        if backlog < 1 { throw ValidationError("--backlog: at least 1 is needed") }
    }

    var settings: ServerSettings {
        var settings = ServerSettings()
        settings.workers = workers.number
        settings.backlog = backlog
        settings.gracefulTimeout = gracefulTimeout.duration
        settings.shutdownDelay = shutdownDelay.duration
        settings.hangTimeout = hangTimeout.duration
        settings.bootTimeout = bootTimeout.duration
        settings.maxRequests = maxRequests
        settings.maxMemory = maxMemory?.bytes
        settings.maxAge = maxAge?.duration
        settings.accept = accept.mode
        settings.user = user
        settings.group = group
        settings.pidFile = pidFile
        settings.affinity = cpuAffinity.map { $0.processors.map { .processors($0) } ?? .oneEach } ?? .none
        settings.mostDescriptors = nofile
        settings.controlSocket = control
        return settings
    }
}

/// A way of accepting as an argument.
struct AcceptArgument: ExpressibleByArgument {
    let mode: ServerSettings.AcceptMode

    init(mode: ServerSettings.AcceptMode) { self.mode = mode }

    init?(argument: String) {
        guard let mode = ServerSettings.AcceptMode(rawValue: argument) else { return nil }
        self.mode = mode
    }

    var defaultValueDescription: String { mode.rawValue }
}
