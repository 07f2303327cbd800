// Servers against one another under the same load: their answers are compared first; then they run in rounds, in an order that is drawn
// anew for each round, every command started anew each time; and the first contender runs twice in each round, so that what it differs
// from itself is known. What follows from the numbers is in LoadComparison+Findings.swift.
import Glibc
import Histogram
import SporkLoop
import SporkNet

/// A comparison of servers.
public struct LoadComparison {
    /// Somebody who takes part.
    public struct Contender: Equatable {
        /// What was said on the command line: a command with {port}, or the URL of a server that runs.
        public var name: String

        /// One of them.
        public init(_ name: String) { self.name = name }

        var isURL: Bool { name.hasPrefix("http://") || name.hasPrefix("https://") }
    }

    /// One contender's turn in a round.
    struct Turn: Equatable {
        /// Requests a second, in a closed loop.
        var rate = 0.0
        /// Errors in both parts.
        var errors = 0
        /// Microseconds of the server's processor time for a request at the fixed rate; nil when it is not known.
        var cost: Double?
        /// The 99th percentile of the latencies at the fixed rate, in nanoseconds.
        var percentile99: Double?
        /// What the two parts' verdicts were, in words.
        var verdicts: [String] = []
    }

    /// What came of it.
    public struct Result {
        /// Who took part.
        public var contenders: [Contender] = []
        var answers: [PlainConnection.Answer?] = []
        var seed: UInt64 = 0
        var wantedRounds = 0
        var fixedRate = 0.0
        /// In the order of contenders, the first one's second turn last; only whole rounds.
        var rounds: [[Turn]] = []
        /// In which order they ran.
        var orders: [[Int]] = []
        /// Whether a signal ended it.
        public var isInterrupted = false
        /// What ended it before its time, if anything did.
        public var failure: (any Error)?
    }

    /// Who takes part; the first one is what others are compared with.
    public var contenders: [Contender]
    /// The load; its target is filled in, but for the path.
    public var plan: LoadPlan
    /// How many rounds.
    public var rounds = 5
    /// What the orders are drawn from.
    public var seed: UInt64
    /// Requests a second for the measurement of processor time; nil for half of what the slowest does.
    public var fixedRate: Double?

    /// A comparison of `contenders` under `plan`.
    public init(_ contenders: [Contender], plan: LoadPlan, seed: UInt64) {
        (self.contenders, self.plan, self.seed) = (contenders, plan, seed)
    }

    /// Runs it and tells `report` line by line how it goes.
    public func run(showsProgress: Bool, report: (String) -> Void) -> Result {
        var result = Result()
        do { try run(&result, showsProgress, report) } catch is SpawnedServer.Interruption {
            result.isInterrupted = true
        } catch {
            // The rounds that are whole are still worth something.
            result.failure = error
        }
        result.isInterrupted = result.isInterrupted || Interrupt.hasCome
        return result
    }

    private func run(_ result: inout Result, _ showsProgress: Bool, _ report: (String) -> Void) throws {
        (result.contenders, result.seed, result.wantedRounds) = (contenders, seed, rounds)
        var random = SplitMix(state: seed)
        report("seed \(seed), \(rounds) rounds of \(LoadText.duration(plan.duration)) twice each\n")
        for contender in contenders where !Interrupt.hasCome {
            result.answers.append(try with(contender) { target, _ in Self.answer(of: target, plan) })
        }
        report(result.sameness)
        result.fixedRate = try fixedRate ?? Self.half(slowest(showsProgress, &result))
        if !result.isInterrupted { report("fixed rate: \(LoadText.fixed(result.fixedRate, 0)) requests/s\n") }
        while result.rounds.count < rounds, !result.isInterrupted {
            let order = LoadStatistics.order(contenders.count + 1, &random)
            var turns = [Turn](repeating: Turn(), count: order.count)
            for index in order where !result.isInterrupted {
                let contender = contenders[index % contenders.count]
                let turn = try with(contender) { try self.turn(on: $0, $1, at: result.fixedRate, showsProgress) }
                result.isInterrupted = turn == nil || Interrupt.hasCome
                guard let turn else { break }
                turns[index] = turn
                report(Result.line(round: result.rounds.count + 1, index, of: contenders.count, turn))
            }
            if result.isInterrupted { break }
            result.rounds.append(turns)
            result.orders.append(order)
        }
    }

    private static func half(_ rate: Double) -> Double { max(1, (rate / 2).rounded(.down)) }

    private func with<Value>(
        _ contender: Contender,
        _ body: (LoadTarget, ServerWatch?) throws -> Value
    ) throws -> Value {
        if contender.isURL { return try body(LoadTarget(url: contender.name), nil) }
        let url = "http://127.0.0.1:{port}\(plan.target.path)"
        let (server, target) = try SpawnedServer.start(contender.name, url: url)
        defer { server.stop() }
        return try body(target, ServerWatch(pid: server.process))
    }

    private static func answer(of target: LoadTarget, _ plan: LoadPlan) -> PlainConnection.Answer? {
        guard !target.isSecure, let connection = try? PlainConnection(to: target.address) else { return nil }
        defer { connection.close() }
        var plan = plan
        plan.target = target
        return connection.ask(plan.request(to: target), isHead: plan.method == "HEAD")
    }

    // A short run of each finds what the slowest does.
    private func slowest(_ showsProgress: Bool, _ result: inout Result) throws -> Double {
        var lowest = Double.infinity
        for contender in contenders where !result.isInterrupted {
            try with(contender) { target, _ in
                var plan = self.plan
                plan.target = target
                plan.duration = max(.milliseconds(300), plan.duration / 4)
                let found = try LoadRun(plan, showsProgress: showsProgress).run()
                result.isInterrupted = found.isInterrupted || Interrupt.hasCome
                lowest = min(lowest, LoadSummary(plan, found).requestsPerSecond)
            }
        }
        return lowest.isFinite ? lowest : 0
    }

    // Both parts of a turn; nil when a signal ended one.
    private func turn(
        on target: LoadTarget,
        _ server: ServerWatch?,
        at rate: Double,
        _ showsProgress: Bool
    ) throws -> Turn? {
        var turn = Turn()
        var plan = self.plan
        plan.target = target
        for isPaced in [false, true] where !isPaced || rate > 0 {
            if isPaced {
                let nanoseconds = UInt64(plan.duration.seconds * 1e9)
                plan.schedule = ArrivalSchedule(rate: rate, shape: .constant, duration: nanoseconds)
            }
            var run = LoadRun(plan, showsProgress: showsProgress)
            run.observer = server.map { RunObserver(server: ServerWatch(pid: $0.rootProcess), wantsTimeline: false) }
            let result = try run.run()
            if result.isInterrupted { return nil }
            let summary = LoadSummary(plan, result)
            turn.errors += result.tally.errorCount + (result.tally.responses == 0 ? 1 : 0)
            turn.verdicts.append(summary.verdict.word.rawValue)
            guard isPaced else {
                turn.rate = summary.requestsPerSecond
                continue
            }
            turn.cost = result.server?.microsecondsPerRequest
            let latencies = result.tally.latencies
            if latencies.totalCount > 0 { turn.percentile99 = Double(latencies.valueAtPercentile(99)) }
        }
        return turn
    }
}
