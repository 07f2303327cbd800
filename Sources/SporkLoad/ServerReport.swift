// What watching a server has shown, as lines for people and as an object for programs. Pure. Each number says where it comes from:
// processor time is exact (schedstat) where the kernel counts it, its parts in and outside of the kernel are as coarse as ticks.

/// What a server used while a load was put on it.
public struct ServerReport {
    let account: ServerAccount
    let pid: Int32
    let requests: Int
    let seconds: Double
    var queues: ListenQueues?
    var shares: WorkerShares?
    var watching = 0.0
    /// Whether it was gone at the end: then nobody knows what it has used.
    var hasEnded = false

    init(_ account: ServerAccount, pid: Int32, requests: Int, seconds: Double) {
        (self.account, self.pid, self.requests, self.seconds) = (account, pid, requests, seconds)
    }

    /// Processor time of all its processes, in seconds.
    public var processorTime: Double { Double(account.processorTime) * 1e-9 }

    /// The part of it in the server's own code, by the share of the ticks; all of it when there was no tick.
    public var userTime: Double { processorTime * (account.userShare ?? 1) }

    /// Microseconds of processor time for each answer; nil without any, and when the server ended during the run.
    public var microsecondsPerRequest: Double? {
        requests > 0 && !hasEnded ? processorTime * 1e6 / Double(requests) : nil
    }

    /// Its memory in bytes, shared pages counted by shares; nil when that may not be read.
    var memory: ServerAccount.Span? { account.proportional }

    private func perRequest(_ count: Int) -> Double? {
        requests > 0 && !hasEnded ? Double(count) / Double(requests) : nil
    }

    /// Lines for people.
    public var text: String {
        func fixed(_ value: Double?, _ digits: Int) -> String { value.map { LoadText.fixed($0, digits) } ?? "-" }
        let perMicrosecond = requests > 0 && !hasEnded ? 1e6 / Double(requests) : nil
        let source = account.countsNanoseconds ? "schedstat, split by ticks" : "ticks of 10 ms"
        var lines = [
            "Server CPU: \(fixed(microsecondsPerRequest, 2)) us a request "
                + "(user \(fixed(perMicrosecond.map { userTime * $0 }, 2)), "
                + "system \(fixed(perMicrosecond.map { (processorTime - userTime) * $0 }, 2)); \(source)), "
                + "\(fixed(seconds > 0 && !hasEnded ? processorTime / seconds : nil, 2)) cores"
                + (hasEnded ? "; the server ended during the run" : ""),
            "Server switches: \(fixed(perRequest(account.voluntarySwitches), 3)) voluntary, "
                + "\(fixed(perRequest(account.involuntarySwitches), 3)) involuntary a request",
        ]
        lines.append("Server memory: " + memoryText)
        lines.append("Server processes: \(account.processes)" + changes)
        if let shares, !shares.shares.isEmpty { lines.append(Self.text(of: shares)) }
        if let queues {
            lines.append("Listen queues: \(queues.overflows) overflows, \(queues.drops) drops (of the whole machine)")
        }
        lines.append("Watching the server: \(LoadText.fixed(watching * 1e3, 1)) ms of CPU, not in the generator's")
        return lines.joined(separator: "\n")
    }

    private var changes: String {
        account.came + account.went == 0 ? "" : ", \(account.came) came and \(account.went) went meanwhile"
    }

    private var memoryText: String {
        guard let shared = account.proportional, let own = account.exclusive else {
            return "not known, smaps_rollup may not be read"
        }
        func text(_ span: ServerAccount.Span) -> String {
            [span.start, span.peak, span.end].map { LoadText.size(bytes: Double($0)) }.joined(separator: ", ")
        }
        return "PSS \(text(shared)); private \(text(own)) (start, peak, end)"
    }

    private static func text(of shares: WorkerShares) -> String {
        let amounts = shares.shares.map { Double($0.amount) }
        func text(_ amount: Double?) -> String {
            guard let amount else { return "-" }
            return shares.source == .status ? LoadText.fixed(amount, 0) : LoadText.fixed(amount * 1e-9, 2) + " s"
        }
        let what = shares.source == .status ? "requests, as the server counts them" : "CPU, its requests are not known"
        return "Workers: \(shares.shares.count), min \(text(amounts.min())), max \(text(amounts.max())), "
            + "Jain \(LoadText.fixed(shares.fairness, 3)) (\(what))"
    }

    /// The same as an object.
    public var json: JSONValue {
        func number(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
        let perMicrosecond = requests > 0 && !hasEnded ? 1e6 / Double(requests) : nil
        return [
            "pid": .integer(Int(pid)),
            "ended": .boolean(hasEnded),
            "processes": .integer(account.processes),
            "processes_came": .integer(account.came),
            "processes_went": .integer(account.went),
            "cpu_source": .string(account.countsNanoseconds ? "schedstat" : "stat"),
            "cpu_seconds": number(hasEnded ? nil : processorTime),
            "user_seconds": number(hasEnded ? nil : userTime),
            "system_seconds": number(hasEnded ? nil : processorTime - userTime),
            "cpu_microseconds_per_request": number(microsecondsPerRequest),
            "user_microseconds_per_request": number(perMicrosecond.map { userTime * $0 }),
            "system_microseconds_per_request": number(perMicrosecond.map { (processorTime - userTime) * $0 }),
            "voluntary_switches_per_request": number(perRequest(account.voluntarySwitches)),
            "involuntary_switches_per_request": number(perRequest(account.involuntarySwitches)),
            "pss_bytes": Self.json(account.proportional),
            "private_bytes": Self.json(account.exclusive),
            "workers": shares.map(Self.json) ?? .null,
            "listen_overflows": queues.map { .integer($0.overflows) } ?? .null,
            "listen_drops": queues.map { .integer($0.drops) } ?? .null,
            "watching_cpu_seconds": .number(watching),
        ]
    }

    private static func json(_ span: ServerAccount.Span?) -> JSONValue {
        guard let span else { return .null }
        return ["start": .integer(span.start), "peak": .integer(span.peak), "end": .integer(span.end)]
    }

    private static func json(_ shares: WorkerShares) -> JSONValue {
        func amount(_ amount: Int) -> JSONValue {
            shares.source == .status ? .integer(amount) : .number(Double(amount) * 1e-9)
        }
        return [
            "source": .string(shares.source.rawValue),
            "unit": .string(shares.source == .status ? "requests" : "cpu_seconds"),
            "jain": .number(shares.fairness),
            "min": shares.shares.map(\.amount).min().map(amount) ?? .null,
            "max": shares.shares.map(\.amount).max().map(amount) ?? .null,
            "each": .array(shares.shares.map { ["pid": .integer(Int($0.pid)), "amount": amount($0.amount)] }),
        ]
    }
}
