// What the answers of one process are compared with: the content that was given, or each URL's first answer. All connections of the
// process share it. Pure.
//
// Of a first answer one connection keeps the content, as far as there is room; the others, and whatever lies behind what is kept, are
// compared by length and by a running hash. Invariant: `room` and everything that is kept or being kept add up to the limit.

/// What is expected of the answers, and what the first ones were.
final class LoadAnswers {
    /// The first answer to a URL.
    struct Reference {
        var status = 0
        var length = 0
        var hash = ContentHash()
        /// The beginning of the content; nil as long as nobody has kept it.
        var kept: [UInt8]?
        /// Whether there has been an answer.
        var isKnown = false
        /// Whether a connection is keeping the content of its answer.
        var isCollected = false

        /// Whether bytes alone cannot tell an equal answer from others.
        var needsHash: Bool { (kept?.count ?? -1) < length }
    }

    let expectation: LoadExpectation
    /// By URL.
    var references: [Reference]
    /// The bytes of content that may still be kept.
    private(set) var room: Int

    init(_ expectation: LoadExpectation, urls: Int) {
        self.expectation = expectation
        room = expectation.mostKept
        var reference = Reference()
        if case .exactly(let content) = expectation.content {
            (reference.kept, reference.length, reference.isKnown) = (content, content.count, true)
        }
        references = .init(repeating: reference, count: urls)
    }

    /// Whether the next answer to a URL is one to keep; then nobody else keeps one meanwhile.
    func beginsCollection(of url: Int) -> Bool {
        guard expectation.content == .asFirst, references[url].kept == nil, !references[url].isCollected, room > 0
        else { return false }
        references[url].isCollected = true
        return true
    }

    /// Keeps as much of a piece as there is room for.
    func keep(_ piece: UnsafeRawBufferPointer, in content: inout [UInt8]) {
        let count = min(piece.count, room)
        room -= count
        content.append(contentsOf: piece.prefix(count))
    }

    /// Whoever kept an answer has it whole, or has no use for it: it is not like the first, or failed.
    func endCollection(of url: Int, _ content: [UInt8], isFirst: Bool) {
        references[url].isCollected = false
        if isFirst { references[url].kept = content } else { room += content.count }
    }
}

/// A running hash of 64 bits, for telling equal contents from others (FNV-1a); the same wherever the content is cut.
struct ContentHash: Equatable {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes { state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    }
}
