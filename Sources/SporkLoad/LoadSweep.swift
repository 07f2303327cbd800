// Runs the same load on a server started with one number of workers after the other, and makes a table of it. Throughput
// alone misleads where generator and server share the processors, so the server's processor time per request stands
// beside it.
import CSporkShims
import Glibc
import Histogram
import SporkLoop
import SporkNet
import SporkPrefork

/// A measurement over several numbers of workers.
public struct LoadSweep {
    /// How to start the server: "{workers}" and "{port}" are filled in.
    public var command: String
    /// The numbers of workers, in order.
    public var workers: [Int]
    /// Path and query to ask for.
    public var path: String
    /// The load on each; its target is replaced.
    public var connections: Int
    /// Load processes.
    public var processes: Int
    /// How long each is measured.
    public var duration: Duration
    /// How long an answer may take.
    public var timeout: Duration = .seconds(2)
    /// Fields to add to each request.
    public var fields: [String] = []

    /// A sweep over `workers` with `command`.
    public init(
        command: String,
        workers: [Int],
        path: String,
        connections: Int,
        processes: Int,
        duration: Duration
    ) {
        self.command = command
        self.workers = workers
        self.path = path
        self.connections = connections
        self.processes = processes
        self.duration = duration
    }

    /// What one number of workers gave.
    public struct Row {
        /// How many workers.
        public var workers: Int
        /// The load that was put on it.
        public var plan: LoadPlan
        /// What the generator counted.
        public var result: LoadRun.Result
        /// The server's processor time while it ran, in seconds.
        public var serverUser: Double
        /// The part of it in the kernel.
        public var serverSystem: Double
    }

    /// Measures each number of workers in turn and hands `report` the table line by line.
    ///
    /// - Returns: the rows; fewer than asked for when a signal ended it.
    public func run(showsProgress: Bool, report: (String) -> Void) throws -> [Row] {
        let processors = ProcessorCount.available
        report(
            "\(connections) connections from \(processes) load process\(processes == 1 ? "" : "es"), \(LoadText.duration(duration)) each, "
        )
        report("on \(processors) processors that server and generator share\n\n")
        report(Self.heading)
        var rows: [Row] = []
        for count in workers {
            let row = try measure(count, showsProgress: showsProgress)
            rows.append(row)
            report(text(of: row, processors: processors))
            if row.result.isInterrupted { break }
        }
        return rows
    }

    private func measure(_ count: Int, showsProgress: Bool) throws -> Row {
        let port = try SpawnedServer.unusedPort()
        let filled = Self.fill(command, workers: count, port: port)
        let target = try LoadTarget(url: "http://127.0.0.1:\(port)\(path)")
        let server = try SpawnedServer(command: filled, listeningOn: target.address)
        defer { server.stop() }
        var plan = LoadPlan(target: target, connections: connections, processes: processes, duration: duration)
        plan.timeout = timeout
        plan.fields = fields
        let before = server.processorTime()
        let result = try LoadRun(plan, showsProgress: showsProgress).run()
        let after = server.processorTime()
        return Row(
            workers: count,
            plan: plan,
            result: result,
            serverUser: after.user - before.user,
            serverSystem: after.system - before.system
        )
    }

    /// The command with its placeholders filled in.
    static func fill(_ command: String, workers: Int, port: UInt16) -> String {
        command.replacing("{workers}", with: "\(workers)").replacing("{port}", with: "\(port)")
    }

    private static let columns = [
        ("workers", 7), ("requests/s", 12), ("p50", 10), ("p99", 10), ("server us/request", 18), ("user", 7),
        ("system", 7), ("cores", 6), ("generator", 10), ("errors", 7),
    ]

    private static var heading: String {
        columns.map { LoadText.right($0.0, $0.1) }.joined(separator: " ") + "\n"
    }

    private func text(of row: Row, processors: Int) -> String {
        let (result, tally) = (row.result, row.result.tally)
        let responses = Double(max(1, tally.responses))
        let seconds = max(result.seconds, 1e-9)
        let generator = (result.userSeconds + result.systemSeconds) / seconds / Double(processes) * 100
        func percentile(_ value: Double) -> String {
            LoadText.time(nanoseconds: Double(tally.latencies.valueAtPercentile(value)))
        }
        let values = [
            "\(row.workers)",
            LoadText.fixed(Double(tally.responsesInTime) / seconds, 0),
            percentile(50),
            percentile(99),
            LoadText.fixed((row.serverUser + row.serverSystem) * 1e6 / responses, 2),
            LoadText.fixed(row.serverUser * 1e6 / responses, 2),
            LoadText.fixed(row.serverSystem * 1e6 / responses, 2),
            LoadText.fixed((row.serverUser + row.serverSystem) / seconds, 2),
            LoadText.fixed(generator, 0) + "%",
            "\(tally.errorCount)",
        ]
        let line = zip(values, Self.columns).map { LoadText.right($0, $1.1) }.joined(separator: " ")
        return line + (row.workers > processors ? "  more workers than processors\n" : "\n")
    }
}

extension String {
    fileprivate func replacing(_ placeholder: String, with text: String) -> String {
        var (result, rest) = ("", self[...])
        while let start = rest.firstRange(of: placeholder) {
            result += rest[..<start.lowerBound] + text
            rest = rest[start.upperBound...]
        }
        return result + rest
    }
}

extension Substring {
    fileprivate func firstRange(of needle: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(needle) { return start..<index(start, offsetBy: needle.count) }
            start = index(after: start)
        }
        return nil
    }
}
