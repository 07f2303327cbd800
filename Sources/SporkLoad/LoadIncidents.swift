// What went wrong with requests, by the phase in which it did and the reason, each with its first and its last moment. Pure; a load
// process fills one, the parent adds them up, the report prints them.
import Glibc

/// Failures by phase and reason.
public struct LoadIncidents: Equatable {
    /// How far an exchange had come.
    public enum Phase: Int, CaseIterable {
        /// Making the connection.
        case connect
        /// Securing it.
        case tls
        /// Sending the request.
        case write
        /// Before the answer's head was complete.
        case head
        /// Before its content was.
        case body
        /// The server had closed a connection that it had answered on before, while the request was on its way.
        case idleClose

        /// The phase's name for people.
        public var name: String { self == .idleClose ? "idle close" : "\(self)" }
    }

    /// Why it ended there.
    public enum Reason: Hashable {
        /// The system said so, with this error number.
        case system(Int32)
        /// It took longer than it may.
        case timedOut
        /// The server ended the connection.
        case ended
        /// What came is no answer.
        case malformed
        /// TLS refused.
        case refused
    }

    /// How often, and when, in nanoseconds from the start of what is counted.
    public struct Entry: Equatable {
        /// In which phase.
        public var phase: Phase
        /// Why.
        public var reason: Reason
        /// How many requests.
        public var count: Int
        /// The first time.
        public var first: UInt64
        /// The last time.
        public var last: UInt64
    }

    /// In the order of the phases, the frequent ones first.
    public var entries: [Entry] {
        found.sorted { ($0.phase.rawValue, -$0.count, $0.reason.code) < ($1.phase.rawValue, -$1.count, $1.reason.code) }
    }

    /// Requests that failed because the generator, or its machine, had no more descriptors, ports or memory for sockets.
    var ownFailures: Int {
        let numbers: [Reason] = [.system(EMFILE), .system(ENFILE), .system(EADDRNOTAVAIL), .system(ENOBUFS)]
        return found.reduce(0) { $0 + (numbers.contains($1.reason) ? $1.count : 0) }
    }

    // There are a few kinds at most, so a search is short; and it happens only where something has failed.
    private var found: [Entry] = []
    /// What TLS said when it refused for the first time.
    private(set) var refusal: String?

    /// None.
    public init() {}

    /// Counts requests that have failed at a moment.
    mutating func add(_ phase: Phase, _ reason: Reason, count: Int, at time: UInt64) {
        add(Entry(phase: phase, reason: reason, count: count, first: time, last: time))
    }

    /// Counts those of another process.
    mutating func add(_ other: LoadIncidents) {
        for entry in other.found { add(entry) }
        if let refusal = other.refusal { keep(refusal: refusal) }
    }

    /// TLS refused to go on; the first time is the one that is told.
    mutating func keep(refusal text: String) { refusal = refusal ?? text }

    private mutating func add(_ entry: Entry) {
        guard let index = found.firstIndex(where: { $0.phase == entry.phase && $0.reason == entry.reason }) else {
            return found.append(entry)
        }
        found[index].count += entry.count
        found[index].first = min(found[index].first, entry.first)
        found[index].last = max(found[index].last, entry.last)
    }

    /// As numbers, five for each kind.
    var encoded: [UInt64] {
        found.flatMap { [UInt64($0.phase.rawValue), $0.reason.code, UInt64($0.count), $0.first, $0.last] }
    }

    /// Reads what `encoded` wrote; nil when it is something else.
    init?(encoded numbers: ArraySlice<UInt64>) {
        guard numbers.count.isMultiple(of: 5) else { return nil }
        for start in stride(from: numbers.startIndex, to: numbers.endIndex, by: 5) {
            guard let phase = Phase(rawValue: Int(numbers[start])) else { return nil }
            let (reason, count) = (Reason(code: numbers[start + 1]), Int(numbers[start + 2]))
            add(Entry(phase: phase, reason: reason, count: count, first: numbers[start + 3], last: numbers[start + 4]))
        }
    }
}

extension LoadIncidents.Reason {
    // Error numbers end at 4095 in the kernel's interface.
    private static let others: [LoadIncidents.Reason] = [.timedOut, .ended, .malformed, .refused]
    private static let firstOther: UInt64 = 1 << 16

    var code: UInt64 {
        if case .system(let number) = self { return UInt64(max(0, number)) }
        return Self.firstOther + UInt64(Self.others.firstIndex(of: self) ?? 0)
    }

    init(code: UInt64) {
        self =
            code < Self.firstOther ? .system(Int32(code)) : Self.others[Int(code - Self.firstOther) % Self.others.count]
    }
}
