// Looks at an answer's bytes while they pass, for one connection: compares them where they lie, with what was expected or with the
// first answer, and copies nothing but that first one. Exists only where something has to be looked at.
import Glibc

/// What is expected of the answers, and what the first ones were: one for all connections of a process.
final class LoadAnswers {
    struct Answer {
        var status: Int
        var content: [UInt8]
    }

    let expectation: LoadExpectation
    /// By URL; nil as long as none has come.
    fileprivate(set) var first: [Answer?]

    init(_ expectation: LoadExpectation, urls: Int) {
        self.expectation = expectation
        first = .init(repeating: nil, count: urls)
        if case .exactly(let content) = expectation.content {
            first = .init(repeating: Answer(status: 0, content: content), count: urls)
        }
    }
}

/// Looks at the answers of one connection, one after the other.
struct LoadAnswerCheck {
    private let answers: LoadAnswers
    private var url = 0
    private var position = 0
    private var difference: LoadMismatch?
    // Of an answer that may become the first one.
    private var collected: [UInt8]?

    init(_ answers: LoadAnswers) { self.answers = answers }

    /// An answer to this URL begins.
    mutating func begin(url: Int) {
        (self.url, position, difference) = (url, 0, nil)
        collected = answers.expectation.content == .asFirst && answers.first[url] == nil ? [] : nil
    }

    /// The next bytes of its content.
    mutating func take(_ piece: UnsafeRawBufferPointer) {
        if collected != nil { collected?.append(contentsOf: piece) }
        defer { position += piece.count }
        guard difference == nil, collected == nil, let expected = answers.first[url]?.content else { return }
        difference = expected.withUnsafeBytes { Self.difference(piece, $0, at: position, url: url) }
    }

    /// It is complete.
    ///
    /// - Returns: what is wrong with it; nil when nothing is.
    mutating func end(status: Int) -> LoadMismatch? {
        guard answers.expectation.allows(status) else {
            return LoadMismatch(
                url: url,
                offset: -1,
                text: "status \(status) instead of \(answers.expectation.statusText)"
            )
        }
        if let content = collected, answers.first[url] == nil {
            answers.first[url] = .init(status: status, content: content)
            return nil
        }
        guard answers.expectation.content != .any, let expected = answers.first[url] else { return nil }
        if answers.expectation.content == .asFirst, status != expected.status {
            return LoadMismatch(
                url: url,
                offset: -1,
                text: "status \(status), the first answer's was \(expected.status)"
            )
        }
        // Another connection's answer was first: what was collected meanwhile has still to be compared.
        if let content = collected { content.withUnsafeBytes { compare($0, with: expected.content) } }
        if let difference { return difference }
        guard position != expected.content.count else { return nil }
        return LoadMismatch(
            url: url,
            offset: min(position, expected.content.count),
            text: "\(position) bytes instead of \(expected.content.count)"
        )
    }

    private mutating func compare(_ content: UnsafeRawBufferPointer, with expected: [UInt8]) {
        collected = nil
        position = 0
        take(content)
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
