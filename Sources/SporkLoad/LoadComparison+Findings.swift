// What the rounds of a comparison say: ratios of turns in the same round, their interval, what the first contender differs from itself,
// and the words that follow. Pure: made of a result's numbers.
import Glibc

extension LoadComparison.Result {
    /// One quantity of one contender beside the first one's.
    struct Finding {
        /// Of each round, the contender's value by the first one's.
        var ratios: [Double]
        /// Their geometric mean.
        var ratio: Double
        /// Where the true ratio is with a probability of 95 %; nil for fewer than three rounds.
        var interval: LoadStatistics.Interval?
        /// Whether it is more than noise.
        var finding: LoadStatistics.Finding
    }

    /// What is compared.
    enum Quantity: String {
        case rate = "requests_per_second"
        case cost = "cpu_microseconds_per_request"
    }

    /// The values of a turn's contender in all rounds; nil where one is missing.
    func values(_ index: Int, _ quantity: Quantity) -> [Double]? {
        let values = rounds.compactMap { quantity == .rate ? $0[index].rate : $0[index].cost }
        return values.count == rounds.count && !values.isEmpty && values.allSatisfy { $0 > 0 } ? values : nil
    }

    /// The first contender against itself: how far two measurements of the same are apart.
    func noise(_ quantity: Quantity) -> Finding? { compare(contenders.count, quantity, noise: nil) }

    /// A contender against the first; nil when there is nothing to compare, or something went wrong.
    func finding(_ index: Int, _ quantity: Quantity) -> Finding? {
        guard errors(index) == 0, errors(0) == 0 else { return nil }
        return compare(index, quantity, noise: noise(quantity)?.interval)
    }

    private func compare(_ index: Int, _ quantity: Quantity, noise: LoadStatistics.Interval?) -> Finding? {
        guard let first = values(0, quantity), let its = values(index, quantity) else { return nil }
        let ratios = zip(its, first).map { $0 / $1 }
        guard let ratio = LoadStatistics.geometricMean(ratios) else { return nil }
        let interval = LoadStatistics.interval(ofRatios: ratios, seed: seed)
        let finding = LoadStatistics.finding(ratio: ratio, interval: interval, noise: noise)
        return Finding(ratios: ratios, ratio: ratio, interval: interval, finding: finding)
    }

    func errors(_ index: Int) -> Int { rounds.reduce(0) { $0 + $1[index].errors } }

    /// The letter of a contender: A, B, C; the first one's second turn is A'.
    static func letter(_ index: Int, of count: Int) -> String {
        if index == count { return "A'" }
        return String(UnicodeScalar(UInt8(ascii: "A") + UInt8(index % 26)))
    }

    /// Whether a contender's answer is the first one's: nil when one of them gave none.
    func isSame(_ index: Int) -> Bool? {
        guard let first = answers.first ?? nil, index < answers.count, let its = answers[index] else { return nil }
        return first.status == its.status && first.content == its.content
    }

    /// Lines about what the contenders answer.
    var sameness: String {
        var lines: [String] = []
        for (index, contender) in contenders.enumerated() where index < answers.count {
            var line = "\(Self.letter(index, of: contenders.count)): \(contender.name)\n   "
            if let answer = answers[index] {
                line +=
                    "status \(answer.status), \(answer.content.count) bytes of content, \(answer.bytes.count) in all"
                if index > 0 {
                    switch isSame(index) {
                    case true?: line += ": the same content as A"
                    case false?: line += ": DIFFERENT from A: what follows does not compare the same work"
                    case nil: line += ": A gave no answer to compare with"
                    }
                }
            } else {
                line += contender.name.hasPrefix("https:") ? "https: answers are not compared" : "NO ANSWER"
            }
            lines.append(line)
        }
        return lines.map { $0 + "\n" }.joined()
    }

    static func line(round: Int, _ index: Int, of count: Int, _ turn: LoadComparison.Turn) -> String {
        let cost = turn.cost.map { ", \(LoadText.fixed($0, 2)) us of CPU a request at the fixed rate" } ?? ""
        let late = turn.percentile99.map { ", p99 there \(LoadText.time(nanoseconds: $0))" } ?? ""
        let errors = turn.errors > 0 ? ", \(turn.errors) ERRORS" : ""
        let doubts = turn.verdicts.filter { $0 != "VALID" && $0 != "ERRORS" }
        return "round \(round) \(LoadText.right(letter(index, of: count), 2)): "
            + "\(LoadText.fixed(turn.rate, 0)) requests/s\(cost)\(late)\(errors)"
            + (doubts.isEmpty ? "" : " (\(doubts.joined(separator: ", ")))") + "\n"
    }

    /// The findings in words.
    public var text: String {
        var lines = ["", "\(rounds.count) of \(wantedRounds) rounds"]
        func noise(_ name: String, _ quantity: Quantity) {
            guard let noise = self.noise(quantity) else { return }
            lines.append("A against itself, \(name): x \(Self.text(noise)): less than that is noise")
        }
        noise("rate", .rate)
        noise("CPU", .cost)
        for index in contenders.indices.dropFirst() {
            lines += [words(index, .rate), words(index, .cost)].compactMap { $0 }
        }
        if isInterrupted { lines.append("Interrupted: this is what there was until then") }
        if let failure { lines.append("Failed: \(failure); this is what there was until then") }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func text(_ finding: Finding) -> String {
        let ratio = LoadText.fixed(finding.ratio, 3)
        guard let interval = finding.interval else { return "\(ratio) (too few rounds for an interval)" }
        return "\(ratio) (95%: \(LoadText.fixed(interval.low, 3)) to \(LoadText.fixed(interval.high, 3)))"
    }

    /// A verdict in words; nil when there is nothing to say about that quantity.
    func words(_ index: Int, _ quantity: Quantity) -> String? {
        guard !rounds.isEmpty else { return nil }
        let name = Self.letter(index, of: contenders.count)
        let what = quantity == .rate ? "rate" : "CPU"
        if errors(index) + errors(0) > 0 {
            return quantity == .rate ? "\(name) and A are not compared: \(errors(index) + errors(0)) errors" : nil
        }
        guard let finding = finding(index, quantity) else {
            guard quantity == .cost else { return nil }
            let isForeign = contenders[index].isURL || contenders[0].isURL
            return "\(name), CPU: not known, "
                + (isForeign ? "a server was not started here" : "not measured in every round")
        }
        let verdict =
            switch (finding.finding, quantity) {
            case (.higher, .rate): "\(name) is faster than A"
            case (.lower, .rate): "\(name) is slower than A"
            case (.higher, .cost): "\(name) needs more CPU than A"
            case (.lower, .cost): "\(name) needs less CPU than A"
            case (.noDifference, _): "\(name) and A: no detectable difference"
            case (.undecided, _): "\(name) and A: not decided"
            }
        let bound = boundTurns(index, quantity)
        return "\(verdict), \(what): x \(Self.text(finding))" + (isSame(index) == false ? ", but answers differ" : "")
            + (bound > 0 ? "; the generator was the limit in \(bound) of \(rounds.count * 2) turns" : "")
    }

    /// In how many turns of a contender and of the first one the generator was the limit: a difference may not show in them.
    func boundTurns(_ index: Int, _ quantity: Quantity) -> Int {
        let part = quantity == .rate ? 0 : 1
        return rounds.reduce(0) { sum, turns in
            sum
                + [turns[0], turns[index]].count {
                    part < $0.verdicts.count && $0.verdicts[part] == LoadVerdict.Word.generatorBound.rawValue
                }
        }
    }

    /// All of it as an object.
    public var json: JSONValue {
        func numbers(_ values: [Double]?) -> JSONValue { .array((values ?? []).map { .number($0) }) }
        func object(_ finding: Finding?) -> JSONValue {
            guard let finding else { return .null }
            return [
                "ratio": .number(finding.ratio), "ratios": numbers(finding.ratios),
                "low": finding.interval.map { .number($0.low) } ?? .null,
                "high": finding.interval.map { .number($0.high) } ?? .null,
            ]
        }
        let rows = contenders.indices.map { index -> JSONValue in
            let answer = index < answers.count ? answers[index] : nil
            return [
                "name": .string(contenders[index].name), "status": answer.map { .integer($0.status) } ?? .null,
                "content_bytes": answer.map { .integer($0.content.count) } ?? .null,
                "wire_bytes": answer.map { .integer($0.bytes.count) } ?? .null,
                "same_content": isSame(index).map { .boolean($0) } ?? .null,
                "errors": .integer(errors(index)), Quantity.rate.rawValue: numbers(values(index, .rate)),
                Quantity.cost.rawValue: numbers(values(index, .cost)),
                "verdicts": .array(rounds.map { .array($0[index].verdicts.map { .string($0) }) }),
                "rate": index > 0 ? object(finding(index, .rate)) : .null,
                "rate_verdict": (index > 0 ? words(index, .rate) : nil).map { .string($0) } ?? .null,
                "cpu": index > 0 ? object(finding(index, .cost)) : .null,
                "cpu_verdict": (index > 0 ? words(index, .cost) : nil).map { .string($0) } ?? .null,
            ]
        }
        return [
            // A number of JSON's is no longer exact beyond 2^53.
            "seed": .string("\(seed)"), "rounds_wanted": .integer(wantedRounds), "rounds": .integer(rounds.count),
            "fixed_rate": .number(fixedRate), "interrupted": .boolean(isInterrupted),
            "failure": failure.map { .string("\($0)") } ?? .null,
            "orders": .array(orders.map { .array($0.map { .integer($0) }) }), "contenders": .array(rows),
            "noise": ["rate": object(noise(.rate)), "cpu": object(noise(.cost))],
        ]
    }
}

extension LoadComparison.Result {
    /// Whether a server had errors, or did not answer.
    public var hasFailed: Bool { contenders.indices.contains { errors($0) > 0 } }
}
