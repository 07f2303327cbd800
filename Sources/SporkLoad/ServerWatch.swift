// Watches a server while load is put on it: looks at its processes once a second, at its status and at the machine's queues before
// and after. The parent of the load processes does this between its own waits; what it costs is measured and told.
import CSporkShims
import Glibc

/// A server that is watched.
public final class ServerWatch {
    /// The process at the top.
    public var rootProcess: Int32 { root }

    private let root: Int32

    private(set) var account = ServerAccount()
    private var queues: (before: ListenQueues?, after: ListenQueues?)
    private var requests: (before: [Int32: Int]?, after: [Int32: Int]?)
    private let control: ServerControl?
    private var hasEnded = false
    // What watching has cost, in nanoseconds of this process.
    private var cost: UInt64 = 0

    /// A server whose first process is `pid`; its children are found.
    public init(pid: Int32) {
        root = pid
        control = ServerControl(of: pid)
    }

    /// Whether there is such a process, and not only its number.
    public static func isAlive(_ pid: Int32) -> Bool { ProcessSample.read(pid) != nil }

    /// The look before the first request.
    func begin() {
        measured {
            requests.before = control?.requests()
            queues.before = .now
            account.add(ServerSample(root: root))
        }
    }

    /// A look in between.
    ///
    /// - Returns: processor time so far in seconds, and memory in bytes.
    @discardableResult
    func look() -> (processorTime: Double, memory: Int?) {
        measured {
            let sample = ServerSample(root: root)
            account.add(sample)
            return (Double(account.processorTime) * 1e-9, sample.sum(\.proportionalMemory))
        }
    }

    /// The look after the last answer.
    func end() {
        measured {
            let sample = ServerSample(root: root)
            // What is gone has taken its counts with it; they would be those of some moment before.
            hasEnded = sample.processes.isEmpty
            account.add(sample)
            queues.after = .now
            requests.after = control?.requests()
        }
    }

    /// What there is to say.
    func report(requests answered: Int, seconds: Double) -> ServerReport {
        var report = ServerReport(account, pid: root, requests: answered, seconds: seconds)
        if let before = queues.before, let after = queues.after { report.queues = after - before }
        report.hasEnded = hasEnded
        if hasEnded {
            report.shares = nil
        } else if let before = requests.before, let after = requests.after {
            report.shares = .between(before, after)
        } else if !account.workers.isEmpty {
            report.shares = WorkerShares(source: .cpu, shares: account.workers.map { ($0.pid, $0.nanoseconds) })
        }
        report.watching = Double(cost) * 1e-9
        return report
    }

    private func measured<Result>(_ body: () -> Result) -> Result {
        let before = Self.ownTime
        defer { cost += Self.ownTime - before }
        return body()
    }

    private static var ownTime: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
