// What spork bench does around a run: it starts the server or finds it, watches it, and writes files about it.
import ArgumentParser
import SporkLoad
import SporkNet

extension BenchCommand {
    /// How long silent connections are held without -d.
    private static let silence: Duration = .seconds(1)

    /// Runs on a server that is there, or is started for it.
    @MainActor func runOnServer() throws {
        guard let command = measure.spawn else {
            return try run(on: targets, process: measure.watchedProcess())
        }
        SpawnedServer.catchInterrupts()
        let (server, target): (SpawnedServer, LoadTarget)
        do { (server, target) = try SpawnedServer.start(command, url: url) } catch is SpawnedServer.Interruption {
            throw ExitCode(130)
        }
        defer { server.stop() }
        try run(on: [target], process: ServerWatch(pid: server.process))
    }

    @MainActor private func run(on targets: [LoadTarget], process: ServerWatch?) throws {
        if let count = measure.idle {
            try hold(count, on: targets[0], process)
        } else if let kind = measure.hostile {
            try suffer(kind, on: targets[0], process)
        } else {
            try run(on: targets, watching: process)
        }
    }

    @MainActor func observer(of server: ServerWatch?) -> RunObserver? {
        let wantsTimeline = server != nil || measure.csv != nil || measure.html != nil
        return wantsTimeline ? RunObserver(server: server, wantsTimeline: true) : nil
    }

    @MainActor func writeFiles(_ summary: LoadSummary) throws {
        if let path = measure.csv { try ResultFile.write(summary.csv, to: path) }
        if let path = measure.html { try ResultFile.write(HTMLReport.page(of: summary), to: path) }
    }

    @MainActor private func hold(_ count: Int, on target: LoadTarget, _ process: ServerWatch?) throws {
        SpawnedServer.catchInterrupts()
        let idle = IdleConnections(plan: try plan([target]), count: count, silence: duration?.duration ?? Self.silence)
        let result = try idle.run(watching: process?.rootProcess)
        Console.say(format == .text ? result.text : result.json.text)
        if result.isInterrupted { throw ExitCode(130) }
        if result.unsuccessful > 0 { Console.complain("\(result.unsuccessful) of the last answers were errors") }
        if result.answered < result.wanted {
            Console.complain(
                "\(result.wanted - result.answered) of \(result.wanted) connections did not answer at the end"
            )
            throw ExitCode(1)
        }
        if result.unsuccessful > 0 { throw ExitCode(1) }
    }

    @MainActor private func suffer(_ kind: HostileKind, on target: LoadTarget, _ process: ServerWatch?) throws {
        SpawnedServer.catchInterrupts()
        let hostile = HostileRun(
            plan: try plan([target]),
            kind: kind,
            clients: measure.hostileConnections ?? MeasureOptions.hostileConnections
        )
        let result = try hostile.run(watching: process?.rootProcess, showsProgress: LoadRun.canShowProgress)
        Console.say(format == .text ? result.text : result.json.text)
        if result.isInterrupted { throw ExitCode(130) }
        if result.isUnanswered {
            Console.complain("\(target.url) gave no answer")
            throw ExitCode(1)
        }
    }
}
