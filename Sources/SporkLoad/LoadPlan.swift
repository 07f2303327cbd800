// What a run shall do. Filled by the command line; pure.

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

    /// The bytes of a request.
    var request: [UInt8] {
        let hasHost = fields.contains { $0.lowercased().hasPrefix("host:") }
        let lines = ["GET \(target.path) HTTP/1.1"] + (hasHost ? [] : ["Host: \(target.authority)"]) + fields
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }
}
