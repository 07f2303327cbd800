// Reads the head of an answer as its bytes come in (RFC 9112, 4 to 6). A pure state machine over the bytes so far, for HTTPClient; the load generator has
// ResponseParser, which wants to know less.
//
// As strict as RequestParser where two readers could disagree about the end of the content. Two things are taken that servers must not take: lines that
// are folded, and blanks behind a field's name, because the RFC tells who receives an answer to repair them (RFC 9112, 5.1 and 5.2).
import Glibc

/// Reads the heads of one connection's answers.
package nonisolated struct ResponseHeadParser {
    /// Limits on a head.
    package struct Limits: Sendable {
        /// All of the head, in bytes.
        package var head = 64 * 1024
        /// Number of field lines.
        package var fieldCount = 256

        package init() {}
    }

    /// What the bytes so far amount to.
    package enum Action {
        /// The head is not complete.
        case needMore
        /// The head is complete, and so many bytes long with its final empty line.
        case head(ResponseHead, length: Int)
        /// It is none that can be understood.
        case malformed(StaticString)
    }

    private struct Malformed: Error {
        let reason: StaticString

        init(_ reason: StaticString) { self.reason = reason }
    }

    private static let beginning: StaticString = "HTTP/1."

    private let limits: Limits
    private let method: HTTPMethod
    private var lineStart = 0
    private var scanned = 0

    /// A parser of answers to requests with this method.
    package init(for method: HTTPMethod, limits: Limits = Limits()) {
        self.method = method
        self.limits = limits
    }

    /// Forgets everything, for the next head.
    package mutating func reset() { (lineStart, scanned) = (0, 0) }

    /// Looks at `bytes`: all of this head so far, from its first byte on.
    package mutating func advance(over bytes: UnsafeRawBufferPointer) -> Action {
        guard let base = bytes.baseAddress else { return .needMore }
        // Somebody who speaks something else may never end a line.
        let known = min(bytes.count, Self.beginning.utf8CodeUnitCount)
        guard memcmp(base, Self.beginning.utf8Start, known) == 0 else { return .malformed("it is not HTTP/1") }
        while let found = memchr(base + scanned, 0x0A, bytes.count - scanned) {
            let end = UnsafeRawPointer(found) - base
            guard end < limits.head else { break }
            guard end > lineStart, bytes[end - 1] == 0x0D else { return .malformed("a line ends without CR") }
            let isLast = end - 1 == lineStart && lineStart > 0
            (lineStart, scanned) = (end + 1, end + 1)
            guard isLast else { continue }
            do throws(Malformed) {
                return .head(try parse(UnsafeRawBufferPointer(rebasing: bytes[..<(end - 1)])), length: end + 1)
            } catch { return .malformed(error.reason) }
        }
        scanned = bytes.count
        return bytes.count >= limits.head ? .malformed("the head is too long") : .needMore
    }

    // All lines, each with its CR and LF.
    private func parse(_ text: UnsafeRawBufferPointer) throws(Malformed) -> ResponseHead {
        var head = ResponseHead()
        var fields: [(name: UnsafeRawBufferPointer, value: [UInt8])] = []
        var start = 0
        while start < text.count, let end = text[start...].firstIndex(of: 0x0A) {
            let line = UnsafeRawBufferPointer(rebasing: text[start..<(end - 1)])
            guard !line.contains(where: { $0 == 0 || $0 == 0x0D }) else { throw Malformed("a line has a NUL or CR") }
            if start == 0 {
                try take(statusLine: line, into: &head)
            } else if line[0].isBlank {
                guard let last = fields.indices.last else { throw Malformed("the first field is folded") }
                fields[last].value += [0x20] + line.trimmed
            } else {
                guard fields.count < limits.fieldCount else { throw Malformed("too many fields") }
                fields.append(try Self.field(line))
            }
            start = end + 1
        }
        try finish(&head, fields)
        return head
    }

    /// version SP status SP [ phrase ] (RFC 9112, 4).
    private func take(statusLine line: UnsafeRawBufferPointer, into head: inout ResponseHead) throws(Malformed) {
        guard line.count >= 12, line[7].isDigit, line[8] == 0x20,
            let status = UnsafeRawBufferPointer(rebasing: line[9..<12]).decimal, status >= 100,
            line.count == 12 || line[12] == 0x20
        else { throw Malformed("the status line is none") }
        head.version = line[7] == UInt8(ascii: "0") ? .http10 : .http11
        head.status = status
        head.reason = String(decoding: line.dropFirst(13), as: UTF8.self)
    }

    private static func field(
        _ line: UnsafeRawBufferPointer
    ) throws(Malformed) -> (name: UnsafeRawBufferPointer, value: [UInt8]) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { throw Malformed("a field has no colon") }
        let name = UnsafeRawBufferPointer(rebasing: line[..<colon]).trimmed
        guard !name.isEmpty, name.allSatisfy(\.isTokenCharacter) else {
            throw Malformed("a field's name is not a token")
        }
        return (name, Array(UnsafeRawBufferPointer(rebasing: line[(colon + 1)...]).trimmed))
    }

    /// What only all fields together say.
    private func finish(
        _ head: inout ResponseHead,
        _ fields: [(name: UnsafeRawBufferPointer, value: [UInt8])]
    ) throws(Malformed) {
        var (length, codings, saysClose, saysKeepAlive) = (Int?.none, Int?.none, false, false)
        for (name, value) in fields {
            head.headers.add(String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
            if name.isEqualIgnoringCase("content-length") {
                guard let number = value.withUnsafeBytes({ $0.decimal }) else {
                    throw Malformed("Content-Length is not a number")
                }
                // The same once more is the same (RFC 9112, 6.3).
                guard length == nil || length == number else { throw Malformed("Content-Length differs from itself") }
                length = number
            } else if name.isEqualIgnoringCase("transfer-encoding") {
                var (isKnown, count) = (true, codings ?? 0)
                value.withUnsafeBytes { value in
                    value.forEachListElement { coding in
                        count += 1
                        isKnown = isKnown && coding.isEqualIgnoringCase("chunked")
                    }
                }
                codings = count
                guard isKnown else { throw Malformed("a transfer coding that nobody knows") }
            } else if name.isEqualIgnoringCase("connection") {
                value.withUnsafeBytes { value in
                    value.forEachListElement { option in
                        saysClose = saysClose || option.isEqualIgnoringCase("close")
                        saysKeepAlive = saysKeepAlive || option.isEqualIgnoringCase("keep-alive")
                    }
                }
            }
        }
        head.keepsAlive = !saysClose && (head.version == .http11 || saysKeepAlive)
        head.framing = try framing(of: head, length, codings)
    }

    private func framing(
        of head: ResponseHead,
        _ length: Int?,
        _ codings: Int?
    ) throws(Malformed) -> ResponseHead.Framing {
        // Whatever it says: there is no content (RFC 9112, 6.3).
        if method == .head || head.status < 200 || head.status == 204 || head.status == 304 { return .none }
        if let codings {
            // With none in the field, some would go by a length beside it, others would not.
            guard codings == 1 else { throw Malformed("the content is chunked more than once, or by nothing") }
            guard length == nil, head.version == .http11 else {
                throw Malformed("chunks where there is a length, or in HTTP/1.0")
            }
            return .chunked
        }
        return length.map { .length($0) } ?? .untilClose
    }
}
