// Reads the head of a request as its bytes come in (RFC 9112, 2 to 6). A pure state machine over the bytes so far: line by
// line, every byte looked at a fixed number of times, the same result however the input is cut into pieces.
//
// Strict on the way in: whatever two readers could understand differently is refused, because what follows on the
// connection would be read differently too. ServerConnection feeds it and closes after a refusal.
import Glibc

/// Reads the heads of one connection's requests, one after the other.
package nonisolated struct RequestParser {
    /// Why a request is not answered but refused.
    package struct Refusal: Equatable, Sendable {
        /// What the client is told.
        package var status: Status
        /// What exactly is wrong with it, for people.
        package var reason: StaticString

        init(_ status: Status, _ reason: StaticString) {
            self.status = status
            self.reason = reason
        }

        package static func == (left: Refusal, right: Refusal) -> Bool { left.status == right.status }
    }

    /// What the bytes so far amount to.
    package enum Action: Equatable {
        /// The head is not complete.
        case needMore
        /// The head is complete, and so many bytes long with its final empty line.
        case head(length: Int)
        /// It is not one that may be answered.
        case refuse(Refusal)
    }

    let limits: RequestLimits
    private var lineStart = 0
    private var scanned = 0
    private var emptyLines = 0
    /// Whether the request line has come: the method is known, if it is one.
    private(set) var isInFields = false

    package init(limits: RequestLimits = RequestLimits()) { self.limits = limits }

    /// Forgets everything, for the next request.
    package mutating func reset() { self = RequestParser(limits: limits) }

    /// Looks at `bytes`: all of this request so far, from its first byte on.
    ///
    /// On `.head`, `head` holds what was found.
    package mutating func advance(over bytes: UnsafeRawBufferPointer, into head: RequestHead) -> Action {
        guard let base = bytes.baseAddress else { return .needMore }
        while true {
            if !isInFields, lineStart < bytes.count, let refusal = refusalOfFirstByte(bytes[lineStart]) {
                return refusal
            }
            guard let found = memchr(base + scanned, 0x0A, bytes.count - scanned) else {
                scanned = bytes.count
                // The last byte may be the CR of the line's end.
                return refusalOfLength(bytes.count - lineStart - 1, upTo: bytes.count) ?? .needMore
            }
            let lineEnd = UnsafeRawPointer(found) - base
            if let refusal = refusalOfLength(lineEnd - lineStart - 1, upTo: lineEnd + 1) { return refusal }
            guard lineEnd > lineStart, bytes[lineEnd - 1] == 0x0D else {
                return .refuse(Refusal(.badRequest, "a line ends without CR"))
            }
            let line = lineStart..<(lineEnd - 1)
            lineStart = lineEnd + 1
            scanned = lineStart
            if let action = take(line, of: bytes, into: head) { return action }
        }
    }

    // A client that speaks TLS, or anything else, sends no line end to wait for.
    private func refusalOfFirstByte(_ byte: UInt8) -> Action? {
        byte.isTokenCharacter || byte == 0x0D || byte == 0x0A
            ? nil : .refuse(Refusal(.badRequest, "the method is not a token"))
    }

    private func refusalOfLength(_ length: Int, upTo end: Int) -> Action? {
        if !isInFields {
            return length > limits.requestLine ? .refuse(Refusal(.uriTooLong, "the request line is too long")) : nil
        }
        if length > limits.field { return .refuse(Refusal(.fieldsTooLarge, "a field is too long")) }
        return end > limits.head ? .refuse(Refusal(.fieldsTooLarge, "the head is too long")) : nil
    }

    /// Takes a complete line.
    ///
    /// Nil when the head goes on.
    private mutating func take(
        _ line: Range<Int>,
        of bytes: UnsafeRawBufferPointer,
        into head: RequestHead
    ) -> Action? {
        if !isInFields {
            if line.isEmpty {
                emptyLines += 1
                let refusal = Refusal(.badRequest, "empty lines instead of a request")
                return emptyLines > limits.emptyLines ? .refuse(refusal) : nil
            }
            head.begin()
            isInFields = true
            if let refusal = requestLine(line, of: bytes, into: head) { return .refuse(refusal) }
            if let length = head.repeatedFields(in: bytes, from: lineStart), lineStart + length <= limits.head {
                lineStart += length
                return end(of: bytes, into: head, repeated: length)
            }
            head.beginFields(at: lineStart)
            return nil
        }
        if line.isEmpty { return end(of: bytes, into: head, repeated: nil) }
        guard head.fieldCount < limits.fieldCount else {
            return .refuse(Refusal(.fieldsTooLarge, "too many fields"))
        }
        return fieldLine(line, of: bytes, into: head).map { .refuse($0) }
    }

    /// Behind the last line of the head.
    private func end(of bytes: UnsafeRawBufferPointer, into head: RequestHead, repeated: Int?) -> Action {
        if let refusal = finish(head) { return .refuse(refusal) }
        head.keep(UnsafeRawBufferPointer(rebasing: bytes[..<lineStart]), repeated: repeated)
        return .head(length: lineStart)
    }
}
