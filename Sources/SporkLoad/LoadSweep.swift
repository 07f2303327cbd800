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
    /// The load on each; of its target only scheme and path count.
    public var plan: LoadPlan

    /// A sweep over `workers` with `command`.
    public init(command: String, workers: [Int], plan: LoadPlan) {
        (self.command, self.workers, self.plan) = (command, workers, plan)
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
        var serverUser: Double { result.server?.userTime ?? 0 }
        /// The part of it in the kernel.
        var serverSystem: Double { (result.server?.processorTime ?? 0) - serverUser }
    }

    /// Measures each number of workers in turn and hands `report` the table line by line.
    ///
    /// - Returns: the rows, fewer than asked for when a signal ended it or something failed; and what did.
    public func run(showsProgress: Bool, report: (String) -> Void) -> (rows: [Row], failure: (any Error)?) {
        let processors = ProcessorCount.available
        let length = LoadText.duration(plan.duration)
        report("\(plan.connections) connections from \(plan.processes) load process")
        report((plan.processes == 1 ? "" : "es") + ", \(length) each, ")
        report("on \(processors) processors that server and generator share\n\n")
        report(Self.heading)
        var rows: [Row] = []
        for count in workers {
            do {
                let row = try measure(count, showsProgress: showsProgress)
                rows.append(row)
                report(text(of: row, processors: processors))
                if row.result.isInterrupted || Interrupt.hasCome { break }
            } catch is SpawnedServer.Interruption {
                break
            } catch {
                // What was measured before is still worth something.
                return (rows, error)
            }
        }
        return (rows, nil)
    }

    private func measure(_ count: Int, showsProgress: Bool) throws -> Row {
        let port = try SpawnedServer.unusedPort()
        let filled = Self.fill(command, workers: count, port: port)
        var plan = plan
        let scheme = plan.target.isSecure ? "https" : "http"
        plan.target = try LoadTarget(url: "\(scheme)://127.0.0.1:\(port)\(plan.target.path)")
        let server = try SpawnedServer(command: filled, listeningOn: plan.target.address)
        defer { server.stop() }
        var run = LoadRun(plan, showsProgress: showsProgress)
        run.observer = RunObserver(server: ServerWatch(pid: server.process), wantsTimeline: false)
        return Row(workers: count, plan: plan, result: try run.run())
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
        let generator = (result.userSeconds + result.systemSeconds) / seconds / Double(plan.processes) * 100
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
