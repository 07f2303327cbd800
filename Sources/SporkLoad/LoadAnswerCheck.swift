// Looks at an answer's bytes while they pass, for one connection: compares them where they lie, with what was expected or with the
// first answer, and copies nothing but that first one. Exists only where something has to be looked at.
import Glibc

/// Looks at the answers of one connection, one after the other.
struct LoadAnswerCheck {
    private let answers: LoadAnswers
    private var url = 0
    private var position = 0
    private var difference: LoadMismatch?
    private var hash: ContentHash?
    // Of an answer that may become the first one.
    private var collected: [UInt8]?

    init(_ answers: LoadAnswers) { self.answers = answers }

    /// An answer to this URL begins.
    mutating func begin(url: Int) {
        // What was collected of an answer that has failed is of no use.
        if let collected { answers.endCollection(of: self.url, collected, isFirst: false) }
        (self.url, position, difference) = (url, 0, nil)
        hash = answers.expectation.content == .asFirst && answers.references[url].needsHash ? ContentHash() : nil
        collected = answers.beginsCollection(of: url) ? [] : nil
    }

    /// The next bytes of its content.
    mutating func take(_ piece: UnsafeRawBufferPointer) {
        defer { position += piece.count }
        hash?.add(piece)
        if collected != nil { answers.keep(piece, in: &collected!) }
        guard difference == nil, let kept = answers.references[url].kept else { return }
        difference = kept.withUnsafeBytes { Self.difference(piece, $0, at: position, url: url) }
    }

    /// It is complete.
    ///
    /// - Returns: what is wrong with it; nil when nothing is.
    mutating func end(status: Int) -> LoadMismatch? {
        guard answers.expectation.allows(status) else {
            return mismatch("status \(status) instead of \(answers.expectation.statusText)")
        }
        if answers.expectation.content == .asFirst, !answers.references[url].isKnown {
            let hash = hash ?? ContentHash()
            (answers.references[url].status, answers.references[url].length) = (status, position)
            (answers.references[url].hash, answers.references[url].isKnown) = (hash, true)
        }
        let mismatch = compare(status)
        if let collected { answers.endCollection(of: url, collected, isFirst: mismatch == nil) }
        collected = nil
        return mismatch
    }

    private func compare(_ status: Int) -> LoadMismatch? {
        guard answers.expectation.content != .any else { return nil }
        let expected = answers.references[url]
        if answers.expectation.content == .asFirst, status != expected.status {
            return mismatch("status \(status), the first answer's was \(expected.status)")
        }
        if let difference { return difference }
        guard position == expected.length else {
            return mismatch("\(position) bytes instead of \(expected.length)", at: min(position, expected.length))
        }
        guard let hash, hash != expected.hash else { return nil }
        return mismatch("\(position) bytes as in the first answer, but others: their hashes differ")
    }

    private func mismatch(_ text: String, at offset: Int = -1) -> LoadMismatch {
        LoadMismatch(url: url, offset: offset, text: text)
    }

    /// Where a piece of content differs first from what was expected, with a few bytes around; nil where it does not.
    ///
    /// What lies behind the expected end is none of this one's business. Costs a memcmp where they are equal.
    static func difference(
        _ piece: UnsafeRawBufferPointer,
        _ expected: UnsafeRawBufferPointer,
        at position: Int,
        url: Int
    ) -> LoadMismatch? {
        let common = min(piece.count, max(0, expected.count - position))
        guard common > 0, let found = piece.baseAddress, let wanted = expected.baseAddress,
            memcmp(found, wanted + position, common) != 0,
            let index = (0..<common).first(where: { piece[$0] != expected[position + $0] })
        else { return nil }
        let (offset, before) = (position + index, min(index, 8))
        let texts = (
            quoted(piece[(index - before)..<min(piece.count, index + 16)]),
            quoted(expected[(offset - before)..<min(expected.count, offset + 16)])
        )
        return LoadMismatch(url: url, offset: offset, text: "byte \(offset): \(texts.0) instead of \(texts.1)")
    }

    /// Bytes as people can read them.
    static func quoted(_ bytes: some Sequence<UInt8>) -> String {
        var text = "\""
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += "\\" + String(UnicodeScalar(byte))
            case 0x20..<0x7F: text.unicodeScalars.append(UnicodeScalar(byte))
            case 0x0A: text += "\\n"
            case 0x0D: text += "\\r"
            default: text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return text + "\""
    }
}
