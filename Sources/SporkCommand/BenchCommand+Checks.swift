// What BenchChecks' options mean beside the others: which go together, how they fill a plan, and the search for a rate.
import ArgumentParser
import SporkLoad
import SporkNet

extension BenchCommand {
    /// Whether requests are due at certain moments.
    private var isOpenLoop: Bool { rate != nil || checks.schedule != nil || checks.find != nil }

    func validateChecks() throws {
        if checks.schedule != nil {
            if rate != nil { throw ValidationError("--schedule goes without -R: it has its own rate") }
            if requests != nil || pipelining > 1 { throw ValidationError("--schedule goes without -n and -p") }
        }
        if checks.find != nil {
            if rate?.end != nil { throw ValidationError("--find begins with one rate, not with a ramp") }
        }
        if checks.spin != nil, !isOpenLoop { throw ValidationError("--spin goes with -R, --schedule or --find") }
        if unixSocket != nil, checks.urls != nil || addresses.count > 1 {
            throw ValidationError("--unix-socket goes with one URL")
        }
        if addresses.contains(where: { $0.hasPrefix("tcp://") }) { try validateEcho() }
        if checks.ledger, addresses.contains(where: { $0.hasPrefix("tcp://") }), let body,
            body.argument.utf8.count < 18,
            !body.argument.hasPrefix("@")
        {
            throw ValidationError("--ledger needs room for a number: -b with 18 bytes or more")
        }
    }

    // The same bytes have to come back, so there is nothing else to be said about them.
    private func validateEcho() throws {
        if method != nil || !header.isEmpty { throw ValidationError("tcp:// goes without -m and -H") }
        if checks.expectStatus != nil || checks.expectBody != nil || checks.verify {
            throw ValidationError("tcp:// compares what comes back with what was sent, without --verify and --expect")
        }
        if body?.argument == "" { throw ValidationError("tcp:// needs something to send") }
    }

    /// Where the load goes: the URLs, and those of --urls.
    @MainActor var targets: [LoadTarget] {
        get throws {
            let urls = try addresses + checks.listedURLs
            guard !urls.isEmpty else {
                throw BenchChecks.FileError(path: checks.urls ?? "", reason: "there is no URL in it")
            }
            let targets = try LoadTarget.all(of: urls, at: unixSocket?.address)
            guard targets.allSatisfy({ $0.isEcho == targets[0].isEcho }) else { throw MixedTargets() }
            return targets
        }
    }

    @MainActor func fillChecks(_ plan: inout LoadPlan) throws {
        plan.warmUp = checks.warmup.duration
        plan.expectation = try checks.expectation
        plan.keepsLedger = checks.ledger
        plan.spinning = checks.spin?.duration ?? .zero
        guard let schedule = try checks.listedSchedule(over: duration?.duration) else { return }
        plan.schedule = schedule
        plan.duration = .nanoseconds(Int64(schedule.duration))
    }

    /// Searches for the highest rate at which an objective is met.
    @MainActor func search(_ objective: LoadObjective, _ plan: LoadPlan, watching server: ServerWatch?) throws {
        let isText = format == .text
        if isText {
            var heading = plan
            heading.schedule = nil
            Console.say(LoadSummary.heading(heading))
        }
        let start = RateSearch(start: rate?.start ?? 100, highest: RateArgument.most)
        let shape = plan.schedule?.shape ?? (rate ?? RateArgument(start: 100)).schedule(arrivals, over: length).shape
        var search = LoadSearch(objective, plan, shape: shape, from: start)
        search.server = server?.rootProcess
        SpawnedServer.catchInterrupts()
        let result = try search.run(showsProgress: LoadRun.canShowProgress) { if isText { Console.say($0) } }
        Console.say(isText ? LoadSearch.text(of: result) : LoadSearch.json(of: result).text)
        guard let outcome = result.outcome else { throw ExitCode(130) }
        if result.rows.allSatisfy({ $0.summary.answers == 0 }) {
            Console.complain("\(plan.target.url) gave no answer")
            throw ExitCode(1)
        }
        if !outcome.isFound { throw ExitCode(3) }
    }

    /// URLs that cannot be asked for together.
    struct MixedTargets: Error, CustomStringConvertible {
        var description: String { "http and tcp URLs cannot be mixed in one run" }
    }
}
