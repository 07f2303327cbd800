// What a run shall do. Filled by the command line; pure.
import SporkNet

/// A run: a closed loop, in which each connection sends its next request when it has the answer to the last, or an open one, in which
/// requests are sent when they are due.
public struct LoadPlan {
    /// What to ask for, each in turn; at least one.
    public var targets: [LoadTarget]
    /// The only URL, or the first of several.
    public var target: LoadTarget {
        get { targets[0] }
        set { targets = [newValue] }
    }
    /// Connections in all, spread over the processes as evenly as possible.
    public var connections: Int
    /// Processes, each with one thread and one loop.
    public var processes: Int
    /// How long new requests are sent.
    public var duration: Duration
    /// How long requests are sent before they are counted, on the same connections.
    public var warmUp: Duration = .zero
    /// How long an answer may take before it counts as a failure.
    public var timeout: Duration = .seconds(2)
    /// Fields to add to each request, "Name: value".
    public var fields: [String] = []
    /// The method of each request.
    public var method = "GET"
    /// The content of each request, of tcp what is sent; nil for none.
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
    /// What answers have to be.
    public var expectation = LoadExpectation()
    /// Whether each request carries a number that its answer has to bring back.
    public var keepsLedger = false
    /// For how long before a request is due the loop does not sleep, in an open loop: the generator's lag for its processor time.
    public var spinning: Duration = .zero

    /// A plan for `target`; at least one process, and no more than connections.
    public init(target: LoadTarget, connections: Int, processes: Int, duration: Duration) {
        self.init(targets: [target], connections: connections, processes: processes, duration: duration)
    }

    /// A plan for several URLs, at least one, each asked for in turn.
    ///
    /// Every process has a connection to each origin: of fewer connections there are fewer processes, but one at least.
    public init(targets: [LoadTarget], connections: Int, processes: Int, duration: Duration) {
        precondition(!targets.isEmpty, "a plan has a target")
        self.targets = targets
        let origins = LoadOrigin.all(of: targets).count
        self.connections = max(origins, connections)
        self.processes = max(1, min(processes, self.connections / origins))
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

    /// The bytes of a request to the first URL.
    var request: [UInt8] { request(to: target) }

    /// The bytes of a request, with a template where its number goes.
    func request(to target: LoadTarget) -> [UInt8] {
        if target.isEcho { return echo }
        var lines = ["\(method) \(numbered(path(of: target))) HTTP/1.1"]
        let fields = fields.map(numbered)
        let body = body.map(numbered)
        func add(_ name: String, _ value: String) {
            let isGiven = fields.contains { $0.lowercased().hasPrefix(name.lowercased() + ":") }
            if !isGiven { lines.append("\(name): \(value)") }
        }
        add("Host", target.authority)
        if keepsLedger { add(LoadNumber.field, LoadNumber.template) }
        // Content without a length would have to be chunked; these methods announce that there is none (RFC 9110, 8.6).
        if let body { add("Content-Length", "\(body.count)") }
        if body == nil, ["POST", "PUT", "PATCH"].contains(method) { add("Content-Length", "0") }
        if !keepsAlive { add("Connection", "close") }
        return Array(((lines + fields).joined(separator: "\r\n") + "\r\n\r\n").utf8) + (body ?? [])
    }

    // Letters and digits, so that people can read them where they turn up in the wrong place.
    private var echo: [UInt8] {
        let payload = numbered(body ?? (0..<Self.echoLength).map { UInt8(ascii: "a") + UInt8($0 % 26) })
        guard keepsLedger, LoadNumber.places(in: payload).isEmpty else { return payload }
        return Array(LoadNumber.template.utf8) + payload.dropFirst(LoadNumber.length)
    }

    /// How many bytes are sent to a tcp URL where nobody says what.
    public static let echoLength = 64

    // A number that stands nowhere else goes into the query.
    private func path(of target: LoadTarget) -> String {
        guard keepsLedger, !target.path.contains(LoadNumber.placeholder) else { return target.path }
        return target.path + (target.path.contains("?") ? "&" : "?") + "request=" + LoadNumber.template
    }

    private func numbered(_ text: String) -> String {
        String(decoding: numbered(Array(text.utf8)), as: UTF8.self)
    }

    private func numbered(_ bytes: [UInt8]) -> [UInt8] {
        guard keepsLedger else { return bytes }
        let (wanted, template) = (Array(LoadNumber.placeholder.utf8), Array(LoadNumber.template.utf8))
        var result: [UInt8] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let isHere = rest.starts(with: wanted)
            result += isHere ? template : [rest[rest.startIndex]]
            rest = rest.dropFirst(isHere ? wanted.count : 1)
        }
        return result
    }

    private static var defaultTLS: TLSConfiguration {
        var configuration = TLSConfiguration()
        configuration.resumesSessions = false
        return configuration
    }
}

/// Where connections go: each belongs to one origin, and asks for that origin's URLs only.
struct LoadOrigin {
    /// The first of its targets, which all have its address.
    let target: LoadTarget
    /// The numbers of its URLs.
    var urls: [Int]

    /// Those of several URLs, in the order in which they come up.
    static func all(of targets: [LoadTarget]) -> [LoadOrigin] {
        var origins: [LoadOrigin] = []
        for (number, target) in targets.enumerated() {
            let index = origins.firstIndex {
                $0.target.address == target.address && $0.target.isSecure == target.isSecure
                    && $0.target.isEcho == target.isEcho && $0.target.host == target.host
            }
            if let index {
                origins[index].urls.append(number)
            } else {
                origins.append(LoadOrigin(target: target, urls: [number]))
            }
        }
        return origins
    }
}
