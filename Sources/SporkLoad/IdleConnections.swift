// What silent connections cost a server: they are opened in steps, each asks once and then says nothing; after each step the server's
// memory is looked at, and a straight line through the steps gives the memory for one connection. At the end every one of them is
// asked again. No loop and no coroutine: a connection is a descriptor here.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet

/// Opens silent connections and measures what they cost.
public struct IdleConnections {
    /// What came of it.
    public struct Result {
        /// How things stood with so many connections.
        struct Step: Equatable {
            var connections: Int
            /// The server's, in bytes; nil when it may not be read or is not watched.
            var proportional: Int?
            var exclusive: Int?
            /// This process's own private memory.
            var own: Int?
        }

        /// How many were asked for.
        public var wanted = 0
        /// How many were opened and had an answer.
        public var opened = 0
        /// How many of them answered again at the end.
        public var answered = 0
        /// How many of these answers had a bad status.
        public var unsuccessful = 0
        /// Why one could not be opened.
        var failure: String?
        /// How long all were silent, in seconds.
        var silence = 0.0
        var steps: [Step] = []
        /// Whether a signal ended it.
        public var isInterrupted = false
    }

    /// How many steps there are.
    private static let steps = 5
    /// How many requests there are before the first step.
    private static let warming = 50
    /// How many connections one address of this machine makes; the kernel has some 28,000 ports for each.
    private static let mostOfOneSource = 20_000

    private let plan: LoadPlan
    private var target: LoadTarget { plan.target }
    private let count: Int
    private let silence: Duration

    /// - Parameters:
    ///   - plan: what is asked for, and how.
    ///   - count: how many connections.
    ///   - silence: how long all of them say nothing in the end.
    public init(plan: LoadPlan, count: Int, silence: Duration) {
        (self.plan, self.count, self.silence) = (plan, count, silence)
    }

    /// Opens them, waits, asks all again, and closes them.
    ///
    /// - Throws: `SystemError` when so many descriptors are not allowed.
    public func run(watching pid: Int32?) throws -> Result {
        try DescriptorLimit.allow(count)
        var result = Result()
        result.wanted = count
        // Room that grows later would look like the connections' memory.
        var connections: [PlainConnection] = []
        connections.reserveCapacity(count)
        defer { for connection in connections { connection.close() } }
        let (request, isHead) = (plan.request, plan.method == "HEAD")
        // What a server makes for its first requests is not a connection's.
        for _ in 0..<Self.warming {
            guard let connection = try? PlainConnection(to: target.address) else { break }
            _ = connection.ask(request, isHead: isHead)
            connection.close()
        }
        result.steps.append(step(0, pid))
        for number in 1...Self.steps {
            let goal = count * number / Self.steps
            while connections.count < goal, !Interrupt.hasCome, result.failure == nil {
                do {
                    let connection = try PlainConnection(to: target.address, from: source(of: connections.count))
                    connections.append(connection)
                    if connection.ask(request, isHead: isHead) == nil {
                        result.failure = "no answer on a new connection"
                    }
                } catch {
                    result.failure = "\(error)"
                }
            }
            // What the last request has made is let go of by then.
            Interrupt.pause(milliseconds: 100)
            if connections.count > result.steps[result.steps.count - 1].connections {
                result.steps.append(step(connections.count, pid))
            }
            if Interrupt.hasCome || result.failure != nil { break }
        }
        result.opened = connections.count
        Interrupt.pause(milliseconds: Int32(clamping: Int(silence.seconds * 1000)))
        result.silence = silence.seconds
        for connection in connections where !Interrupt.hasCome {
            guard let answer = connection.ask(request, isHead: isHead) else { continue }
            result.answered += 1
            if !(200..<400).contains(answer.status) { result.unsuccessful += 1 }
        }
        result.isInterrupted = Interrupt.hasCome
        return result
    }

    private func source(of number: Int) -> SocketAddress? {
        guard case .ipv4(let host, _) = target.address, host >> 24 == 127, number >= Self.mostOfOneSource else {
            return nil
        }
        return .ipv4(0x7F00_0002 + UInt32(number / Self.mostOfOneSource), port: 0)
    }

    private func step(_ connections: Int, _ pid: Int32?) -> Result.Step {
        let server = pid.map { ServerSample(root: $0) }
        return Result.Step(
            connections: connections,
            proportional: server?.sum(\.proportionalMemory),
            exclusive: server?.sum(\.privateMemory),
            own: ProcessSample.read(getpid())?.sample.privateMemory
        )
    }
}

extension IdleConnections.Result {
    /// Bytes for each connection, by the line through the steps.
    func line(_ value: KeyPath<Step, Int?>) -> LoadStatistics.Line? {
        let points = steps.compactMap { step in
            step[keyPath: value].map { (x: Double(step.connections), y: Double($0)) }
        }
        return points.count == steps.count ? LoadStatistics.line(points) : nil
    }

    /// Lines for people.
    public var text: String {
        func size(_ bytes: Int?) -> String { LoadText.right(bytes.map { LoadText.size(bytes: Double($0)) } ?? "-", 12) }
        var lines = [
            "\(opened) of \(wanted) silent connections opened, one request each",
            LoadText.right("connections", 12) + LoadText.right("server PSS", 13) + LoadText.right("private", 13)
                + LoadText.right("generator", 13),
        ]
        if let failure { lines.insert("Not all: \(failure)", at: 1) }
        lines += steps.map { step in
            LoadText.right("\(step.connections)", 12) + " " + size(step.proportional) + " " + size(step.exclusive) + " "
                + size(step.own)
        }
        if let shared = line(\.proportional), let own = line(\.exclusive) {
            lines.append(
                "Server memory per idle connection: \(LoadText.fixed(shared.slope, 0)) bytes PSS "
                    + "(R2 \(LoadText.fixed(shared.determination, 3))), \(LoadText.fixed(own.slope, 0)) private; "
                    + "the kernel's memory for sockets is not in it"
            )
        } else {
            lines.append("Server memory: not known; --pid or --spawn say whose it is")
        }
        if let own = line(\.own) {
            let size = own.slope < 16 ? "less than 16" : LoadText.fixed(own.slope, 0)
            lines.append("Generator memory per connection: \(size) bytes")
        }
        lines.append("\(answered) of \(opened) answered again after \(LoadText.fixed(silence, 1)) s of silence")
        if unsuccessful > 0 { lines.append("\(unsuccessful) of these answers were errors") }
        if isInterrupted { lines.append("Interrupted: this is what there was until then") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The same as an object.
    public var json: JSONValue {
        func integer(_ value: Int?) -> JSONValue { value.map { .integer($0) } ?? .null }
        func line(_ value: KeyPath<Step, Int?>) -> JSONValue {
            guard let line = self.line(value) else { return .null }
            return ["bytes_per_connection": .number(line.slope), "r2": .number(line.determination)]
        }
        let rows = steps.map { step -> JSONValue in
            [
                "connections": .integer(step.connections), "pss_bytes": integer(step.proportional),
                "private_bytes": integer(step.exclusive), "generator_private_bytes": integer(step.own),
            ]
        }
        return [
            "idle": [
                "wanted": .integer(wanted), "opened": .integer(opened), "answered_at_end": .integer(answered),
                "errors_at_end": .integer(unsuccessful),
                "failure": failure.map { .string($0) } ?? .null, "silence_seconds": .number(silence),
                "interrupted": .boolean(isInterrupted), "steps": .array(rows), "server_pss": line(\.proportional),
                "server_private": line(\.exclusive), "generator": line(\.own),
            ]
        ]
    }
}
