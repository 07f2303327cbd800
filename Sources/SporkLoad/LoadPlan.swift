// What a run shall do. Filled by the command line; pure.
import SporkNet

/// A run: a closed loop, in which each connection sends its next request when it has the answer to the last, or an open one, in which
/// requests are sent when they are due.
public struct LoadPlan {
    /// What to ask for.
    public var target: LoadTarget
    /// Connections in all, spread over the processes as evenly as possible.
    public var connections: Int
    /// Processes, each with one thread and one loop.
    public var processes: Int
    /// How long new requests are sent.
    public var duration: Duration
    /// How long an answer may take before it counts as a failure.
    public var timeout: Duration = .seconds(2)
    /// Fields to add to each request, "Name: value".
    public var fields: [String] = []
    /// The method of each request.
    public var method = "GET"
    /// The content of each request; nil for none.
    public var body: [UInt8]?
    /// How many requests a connection sends at once before it waits for their answers.
    public var pipelining = 1
    /// Whether a connection is used for more than one request.
    ///
    /// Without it, latency counts from before the connection is made.
    public var keepsAlive = true
    /// How many requests are sent in all; nil for as many as the time allows.
    public var requests: Int?
    /// What goes for https; every connection does the whole handshake, unless this says otherwise.
    public var tls = LoadPlan.defaultTLS
    /// When requests are due, in an open loop; nil for a closed one.
    public var schedule: ArrivalSchedule?

    /// A plan for `target`; at least one process, and no more than connections.
    public init(target: LoadTarget, connections: Int, processes: Int, duration: Duration) {
        self.target = target
        self.connections = max(1, connections)
        self.processes = max(1, min(processes, self.connections))
        self.duration = duration
    }

    /// How many connections the process with this number has, from 0.
    func connections(of process: Int) -> Int {
        connections / processes + (process < connections % processes ? 1 : 0)
    }

    /// How many requests the process with this number sends, from 0; nil for as many as the time allows.
    func requests(of process: Int) -> Int? {
        requests.map { $0 / processes + (process < $0 % processes ? 1 : 0) }
    }

    /// The bytes of a request.
    var request: [UInt8] {
        var lines = ["\(method) \(target.path) HTTP/1.1"]
        func add(_ name: String, _ value: String) {
            let isGiven = fields.contains { $0.lowercased().hasPrefix(name.lowercased() + ":") }
            if !isGiven { lines.append("\(name): \(value)") }
        }
        add("Host", target.authority)
        // Content without a length would have to be chunked; these methods announce that there is none (RFC 9110, 8.6).
        if let body { add("Content-Length", "\(body.count)") }
        if body == nil, ["POST", "PUT", "PATCH"].contains(method) { add("Content-Length", "0") }
        if !keepsAlive { add("Connection", "close") }
        return Array(((lines + fields).joined(separator: "\r\n") + "\r\n\r\n").utf8) + (body ?? [])
    }

    private static var defaultTLS: TLSConfiguration {
        var configuration = TLSConfiguration()
        configuration.resumesSessions = false
        return configuration
    }
}
