// One process's row of the scoreboard. The worker that owns it counts and says in it what it is doing, at the cost of a
// store a word; everybody else reads.
//
// The request texts are for reports about a worker that has crashed or hangs: they are read when it no longer writes, and a
// text that is read while it changes is only a wrong text.
import CSporkShims
import Glibc

/// A process's place on the scoreboard.
package nonisolated struct ScoreboardRow {
    /// How a worker is, as it says itself.
    package enum State: UInt64, Sendable, CustomStringConvertible {
        case absent, booting, ready, draining

        /// One word.
        package var description: String {
            switch self {
            case .absent: "absent"
            case .booting: "booting"
            case .ready: "ready"
            case .draining: "draining"
            }
        }
    }

    // The first line is the master's, the second what siblings look at, the third what only statistics want.
    private enum Word: Int {
        case pid = 0, slot, generation, startedAt
        case state = 8, heartbeat, openConnections, isListening
        case accepted = 16, requests, bytesSent, requestsInFlight
    }

    private static let wordsBeforeTexts = 24
    /// How many requests that are being answered can be named at once.
    package static let textCount = 8
    /// The bytes of a request's text, with the two words in front of it: since when, and how long it is.
    private static let textSize = 128
    private static let mostTextBytes = textSize - 16
    static let size = wordsBeforeTexts * 8 + textCount * textSize

    /// The row's number.
    package let index: Int
    private let words: UnsafeMutablePointer<UInt64>

    init(index: Int, words: UnsafeMutablePointer<UInt64>) { (self.index, self.words) = (index, words) }

    /// The process; 0 while there is none: the master's word.
    package var pid: Int32 { Int32(truncatingIfNeeded: load(.pid)) }
    /// The slot it has: the master's word.
    package var slot: Int { Int(truncatingIfNeeded: load(.slot)) }
    /// The generation it belongs to: the master's word.
    package var generation: Int { Int(truncatingIfNeeded: load(.generation)) }
    /// When it was forked, in nanoseconds of the monotonic clock: the master's word.
    package var startedAt: UInt64 { load(.startedAt) }

    /// How the worker is.
    package var state: State {
        get { State(rawValue: load(.state)) ?? .absent }
        nonmutating set { spork_announce(words + Word.state.rawValue, newValue.rawValue) }
    }

    /// When the loop has begun its present turn, in nanoseconds of the monotonic clock; 0 while it waits for something to do.
    package var heartbeat: UInt64 { load(.heartbeat) }

    /// Where the loop writes its heartbeat.
    package var heartbeatWord: UnsafeMutablePointer<UInt64> { words + Word.heartbeat.rawValue }

    /// Connections that the worker serves.
    package var openConnections: Int { Int(truncatingIfNeeded: load(.openConnections)) }

    /// Whether new connections wake this worker.
    package var isListening: Bool {
        get { load(.isListening) != 0 }
        nonmutating set { spork_announce(words + Word.isListening.rawValue, newValue ? 1 : 0) }
    }

    /// What the worker has counted.
    package var counters: Scoreboard.Counters {
        Scoreboard.Counters(accepted: load(.accepted), requests: load(.requests), bytesSent: load(.bytesSent))
    }

    /// Requests that are being answered.
    package var requestsInFlight: Int { Int(truncatingIfNeeded: load(.requestsInFlight)) }

    /// Shows how many connections there are, and how many were accepted.
    package func show(open: Int, accepted: Int) {
        store(UInt64(truncatingIfNeeded: open), .openConnections)
        store(UInt64(truncatingIfNeeded: accepted), .accepted)
    }

    /// Says that a request is being answered.
    ///
    /// - Parameter text: its method and target; what is too long is left out.
    /// - Returns: what `endRequest` has to be given.
    package func beginRequest(_ text: UnsafeRawBufferPointer) -> Int {
        store(load(.requestsInFlight) &+ 1, .requestsInFlight)
        for place in 0..<Self.textCount {
            let entry = self.entry(place)
            guard spork_load(entry) == 0 else { continue }
            let count = min(text.count, Self.mostTextBytes)
            if let start = text.baseAddress {
                UnsafeMutableRawPointer(entry + 2).copyMemory(from: start, byteCount: count)
            }
            spork_store(entry + 1, UInt64(count))
            spork_store(entry, max(1, load(.heartbeat)))
            return place
        }
        return Self.textCount
    }

    /// Says that it no longer is.
    package func endRequest(_ place: Int) {
        if place < Self.textCount { spork_store(entry(place), 0) }
        store(load(.requestsInFlight) &- 1, .requestsInFlight)
    }

    /// Says why this worker ends that was never ready, in the place of a request: it has none.
    package func explainEnd(_ reason: String) {
        var reason = reason
        reason.withUTF8 { _ = beginRequest(UnsafeRawBufferPointer($0)) }
    }

    /// Counts a request that has an answer.
    package func countRequest() { store(load(.requests) &+ 1, .requests) }

    /// Counts what was sent.
    package func count(bytesSent: Int) { store(load(.bytesSent) &+ UInt64(truncatingIfNeeded: bytesSent), .bytesSent) }

    /// What is being answered: method, target and since when, in nanoseconds of the monotonic clock.
    ///
    /// Bytes that would disturb a terminal are shown as question marks.
    package var requestTexts: [(text: String, since: UInt64)] {
        (0..<Self.textCount).compactMap { place in
            let entry = self.entry(place)
            let since = spork_load(entry)
            guard since != 0 else { return nil }
            let count = min(Int(truncatingIfNeeded: spork_load(entry + 1)), Self.mostTextBytes)
            let bytes = UnsafeRawBufferPointer(start: entry + 2, count: count)
            let printable = bytes.map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }
            return (String(decoding: printable, as: UTF8.self), since)
        }
    }

    /// What is being answered, for people: those that have a text, and how many have none.
    package var requestSummary: [String] {
        let texts = requestTexts.map(\.text)
        let others = requestsInFlight - texts.count
        // More than one connection can have are no number but what a crash has left.
        guard !texts.isEmpty, (1..<1 << 20).contains(others) else { return texts }
        return texts + ["\(others) more"]
    }

    /// Empties the row and gives it to a process that is about to be forked; called by the master.
    func prepare(slot: Int, generation: Int) {
        erase()
        store(UInt64(slot), .slot)
        store(UInt64(generation), .generation)
        store(Self.nanoseconds, .startedAt)
        state = .booting
    }

    /// Says which process it is; called by the master.
    package func setProcess(_ pid: Int32) { store(UInt64(pid), .pid) }

    func erase() {
        // The number of the process first: without it nobody looks at the rest.
        for word in 0..<Self.size / 8 { spork_store(words + word, 0) }
    }

    /// Nanoseconds of the monotonic clock.
    package static var nanoseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private func entry(_ place: Int) -> UnsafeMutablePointer<UInt64> {
        words + Self.wordsBeforeTexts + place * Self.textSize / 8
    }

    private func load(_ word: Word) -> UInt64 { spork_load(words + word.rawValue) }

    private func store(_ value: UInt64, _ word: Word) { spork_store(words + word.rawValue, value) }
}
