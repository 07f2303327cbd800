// How a server is, at one moment, in the two forms that people and programs ask for. Made from the scoreboard.

/// The state of a server and of its workers.
package nonisolated struct ServerStatus: Sendable {
    /// A worker's part.
    package struct Worker: Sendable {
        package var slot: Int
        package var pid: Int32
        package var generation: Int
        package var state: ScoreboardRow.State
        package var upSeconds: Double
        package var connections: Int
        package var counters: Scoreboard.Counters
        package var inFlight: Int
        package var requests: [String]
    }

    package var master: Int32
    package var generation: Int
    package var capacity: Int
    package var serving: Int
    package var upSeconds: Double
    package var isChanging: Bool
    package var isStopping = false
    package var totals = Scoreboard.Counters()
    package var workers: [Worker] = []

    package init(
        master: Int32,
        generation: Int,
        capacity: Int,
        serving: Int,
        upSeconds: Double,
        isChanging: Bool,
        scoreboard: Scoreboard?
    ) {
        (self.master, self.generation, self.capacity, self.serving) = (master, generation, capacity, serving)
        (self.upSeconds, self.isChanging) = (upSeconds, isChanging)
        guard let scoreboard else { return }
        (totals, isStopping) = (scoreboard.totals, scoreboard.isStopping)
        let now = ScoreboardRow.nanoseconds
        workers = scoreboard.rows.map { row in
            Worker(
                slot: row.slot,
                pid: row.pid,
                generation: row.generation,
                state: row.state,
                upSeconds: Double(now &- row.startedAt) * 1e-9,
                connections: row.openConnections,
                counters: row.counters,
                inFlight: row.requestsInFlight,
                requests: row.requestTexts.map(\.text)
            )
        }.sorted { ($0.slot, $0.generation) < ($1.slot, $1.generation) }
    }

    /// Lines for people.
    package var text: String {
        var lines = [
            "master \(master), generation \(generation), \(serving) of \(capacity) workers serve, up \(Int(upSeconds)) s"
                + (isStopping ? ", about to end" : isChanging ? ", changing" : ""),
            "in all \(totals.accepted) connections, \(totals.requests) requests, \(totals.bytesSent) bytes sent",
        ]
        lines += workers.map { worker in
            "worker \(worker.slot): pid \(worker.pid), generation \(worker.generation), \(worker.state), up "
                + "\(Int(worker.upSeconds)) s, \(worker.connections) connections, \(worker.counters.accepted) accepted, "
                + "\(worker.counters.requests) requests, \(worker.inFlight) in flight"
                + (worker.requests.isEmpty ? "" : ": " + worker.requests.joined(separator: ", "))
        }
        return lines.map { "\($0)\n" }.joined()
    }

    /// One line of JSON.
    package var json: String {
        let parts = workers.map { worker in
            "{\"slot\":\(worker.slot),\"pid\":\(worker.pid),\"generation\":\(worker.generation),"
                + "\"state\":\"\(worker.state)\",\"up\":\(Self.thousandths(worker.upSeconds)),"
                + "\"connections\":\(worker.connections),\(Self.fields(worker.counters)),\"in_flight\":\(worker.inFlight),"
                + "\"answering\":[\(worker.requests.map(Self.quoted).joined(separator: ","))]}"
        }
        return
            "{\"master\":\(master),\"generation\":\(generation),\"workers_wanted\":\(capacity),\"workers_serving\":\(serving),"
            + "\"up\":\(Self.thousandths(upSeconds)),\"changing\":\(isChanging),\"stopping\":\(isStopping),"
            + "\"totals\":{\(Self.fields(totals))},\"workers\":[\(parts.joined(separator: ","))]}\n"
    }

    private static func fields(_ counters: Scoreboard.Counters) -> String {
        "\"accepted\":\(counters.accepted),\"requests\":\(counters.requests),\"bytes_sent\":\(counters.bytesSent)"
    }

    private static func thousandths(_ seconds: Double) -> Double { (seconds * 1000).rounded() / 1000 }

    // Request texts are printable ASCII already.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for character in text {
            if character == "\"" || character == "\\" { quoted.append("\\") }
            quoted.append(character)
        }
        return quoted + "\""
    }
}
