// Whether a result says something about the server. Pure: numbers go in, a word and its reason come out. The rules are documented in
// the README and tested one by one.

/// What a run's numbers are worth.
public struct LoadVerdict: Equatable {
    /// The words, the worst first.
    public enum Word: String {
        /// Something failed, or an answer was an error: rates and latencies are those of a mixture.
        case errors = "ERRORS"
        /// The generator was the limit: the numbers say little about the server.
        case generatorBound = "GENERATOR-BOUND"
        /// The load that was asked for was not put on: connections stood idle or unserved, or requests were not sent.
        case starved = "STARVED"
        /// None of this.
        case valid = "VALID"
    }

    /// The word.
    public var word: Word
    /// Why, in words; empty for a valid result.
    public var reason: String

    /// What the rules look at.
    struct Evidence {
        /// Answers, of any kind.
        var answers = 0
        /// Failures and answers with a bad status.
        var errors = 0
        /// Failures that are the generator's own: it, or its machine, had no more descriptors, ports or memory for sockets.
        var ownFailures = 0
        /// Load processes that died.
        var lostProcesses = 0
        /// Of the busiest load process: the part of the time in which it ran or was ready to run.
        var demand = 0.0
        /// The 99th percentile of the generator's own lag, in nanoseconds.
        var lag = 0.0
        /// The 99th percentile of the latencies, in nanoseconds.
        var latency = 0.0
        /// Connections in all.
        var connections = 0
        /// Requests that should always be out, in a closed loop.
        var wanted = 0
        /// Requests that were out on average: latency times rate (Little's law), connecting counted in.
        var occupied = 0.0
        /// Connections that had an answer.
        var served = 0
        /// Requests that the schedule wanted, in an open loop; nil in a closed one.
        var scheduled: Int?
        /// Those of them that were sent before the time was over.
        var sent = 0
    }

    /// A process that wants to run for more of the time than this has nothing left.
    static let mostDemand = 0.9
    /// A generator is late only from here on, in nanoseconds.
    static let leastLag = 1e6
    /// And when its lag is more than this part of what it measures.
    static let mostLagShare = 0.1
    /// How much of what was asked for has to have been put on.
    static let leastLoad = 0.99

    init(_ evidence: Evidence) {
        (word, reason) = Self.judge(evidence)
    }

    private static func judge(_ evidence: Evidence) -> (Word, String) {
        if evidence.lostProcesses > 0 { return (.errors, "\(evidence.lostProcesses) load processes died") }
        if evidence.ownFailures > 0 {
            let number = evidence.ownFailures
            return (
                .generatorBound, "\(number) failures for want of descriptors, ports or memory on the generator's side"
            )
        }
        if evidence.answers == 0 { return (.errors, "nothing was answered") }
        if evidence.errors > 0 {
            return (.errors, "\(evidence.errors) errors beside \(evidence.answers) answers")
        }
        if evidence.demand > mostDemand {
            let share = LoadText.fixed(evidence.demand * 100, 0)
            return (.generatorBound, "a load process was running or ready to run for \(share)% of the time")
        }
        if evidence.lag > leastLag, evidence.lag > evidence.latency * mostLagShare {
            let (lag, latency) = (
                LoadText.time(nanoseconds: evidence.lag), LoadText.time(nanoseconds: evidence.latency)
            )
            return (.generatorBound, "the generator's own lag had a p99 of \(lag), the latency one of \(latency)")
        }
        if let scheduled = evidence.scheduled {
            guard Double(evidence.sent) < Double(scheduled) * leastLoad else { return (.valid, "") }
            return (.starved, "\(scheduled - evidence.sent) of \(scheduled) requests were not sent in time")
        }
        let unserved = evidence.connections - evidence.served
        if unserved > 0 { return (.starved, "\(unserved) of \(evidence.connections) connections had no answer") }
        // One request less than wanted may be chance; a tenth is none.
        if evidence.occupied < Double(evidence.wanted) * 0.9 - 1 {
            let occupied = LoadText.fixed(evidence.occupied, 1)
            return (.starved, "only \(occupied) of \(evidence.wanted) requests were out on average")
        }
        return (.valid, "")
    }
}
