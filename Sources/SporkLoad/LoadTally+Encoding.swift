// How a tally travels from a load process to its parent: as numbers. Lists come with their length, so that a message that ends early,
// because its process died, is none.
import Histogram

extension LoadTally {
    /// All of it as numbers: the counters, then each list with its length; of a histogram, pairs of a value and how often it was seen.
    var encoded: [UInt64] {
        var numbers = (Self.sums + Self.maxima).map { UInt64(self[keyPath: $0]) } + failures.map(UInt64.init)
        numbers += (0..<statusClasses.scalarCount).map { UInt64(statusClasses[$0]) }
        func add(_ list: [UInt64]) { numbers += [UInt64(list.count)] + list }
        add(urls.flatMap { [UInt64($0.answers), UInt64($0.errors)] })
        add(incidents.encoded)
        add((incidents.refusal ?? "").utf8.map(UInt64.init))
        add([UInt64(ledger.numbers), UInt64(ledger.twice)] + ledger.endings.map(UInt64.init))
        add(mismatches.flatMap(\.encoded))
        for histogram in Self.histograms {
            add(self[keyPath: histogram].recordedValues().flatMap { [$0.value, $0.count] })
        }
        return numbers
    }

    /// Reads what `encoded` wrote.
    ///
    /// Nil when it is incomplete, because the process died.
    init?(encoded numbers: [UInt64]) {
        let counters = Self.sums + Self.maxima
        let fixed = counters.count + failures.count + statusClasses.scalarCount
        guard numbers.count >= fixed else { return nil }
        for (counter, number) in zip(counters, numbers) { self[keyPath: counter] = Int(number) }
        for index in failures.indices { failures[index] = Int(numbers[counters.count + index]) }
        for index in 0..<statusClasses.scalarCount {
            statusClasses[index] = Int(numbers[counters.count + failures.count + index])
        }
        var rest = numbers[fixed...]
        guard let counts = Self.list(&rest), counts.count.isMultiple(of: 2) else { return nil }
        let starts = stride(from: counts.startIndex, to: counts.endIndex, by: 2)
        urls = starts.map { URLCount(answers: Int(counts[$0]), errors: Int(counts[$0 + 1])) }
        guard let list = Self.list(&rest), let incidents = LoadIncidents(encoded: list), let refusal = Self.list(&rest)
        else { return nil }
        self.incidents = incidents
        if !refusal.isEmpty { self.incidents.keep(refusal: Self.text(refusal)) }
        guard let book = Self.list(&rest), book.count == ledger.endings.count + 2 else { return nil }
        let numbers = book.map { Int($0) }
        ledger = LoadLedger.Totals(numbers: numbers[0], endings: Array(numbers[2...]), twice: numbers[1])
        guard var samples = Self.list(&rest) else { return nil }
        while !samples.isEmpty {
            guard let mismatch = LoadMismatch(encoded: &samples) else { return nil }
            mismatches.append(mismatch)
        }
        for histogram in Self.histograms {
            guard let pairs = Self.list(&rest), pairs.count.isMultiple(of: 2) else { return nil }
            for index in stride(from: pairs.startIndex, to: pairs.endIndex, by: 2) {
                self[keyPath: histogram].record(pairs[index], count: pairs[index + 1])
            }
        }
        guard rest.isEmpty else { return nil }
    }

    fileprivate static func text(_ numbers: ArraySlice<UInt64>) -> String {
        String(decoding: numbers.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    }

    private static func list(_ rest: inout ArraySlice<UInt64>) -> ArraySlice<UInt64>? {
        guard let count = rest.popFirst(), count <= UInt64(rest.count) else { return nil }
        defer { rest = rest.dropFirst(Int(count)) }
        return rest.prefix(Int(count))
    }
}

extension LoadMismatch {
    /// The URL, the offset and one more, the text's length and its bytes.
    fileprivate var encoded: [UInt64] {
        [UInt64(url), UInt64(offset + 1), UInt64(text.utf8.count)] + text.utf8.map(UInt64.init)
    }

    fileprivate init?(encoded numbers: inout ArraySlice<UInt64>) {
        guard let url = numbers.popFirst(), let offset = numbers.popFirst(), let count = numbers.popFirst(),
            count <= UInt64(numbers.count)
        else { return nil }
        let text = LoadTally.text(numbers.prefix(Int(count)))
        numbers = numbers.dropFirst(Int(count))
        self.init(url: Int(url), offset: Int(offset) - 1, text: text)
    }
}
