// Reads answers as a client: the head, then past the content, whose bytes nobody keeps, unless they are asked for. A pure state
// machine for the load generator, which wants to know the status, where the answer ends and whether the connection can be used again
// (RFC 9112, 6.3 and 9.3). It has to be told when the requests are HEAD, whose answers have no content whatever they announce.
import Glibc

/// Reads the answers of one connection, one after the other.
package nonisolated struct ResponseParser {
    /// What the bytes amount to.
    ///
    /// In each case the first `used` of them are done with and must be consumed.
    package enum Action: Equatable {
        case needMore(used: Int)
        /// A head, which is all that was used; only where parts are reported.
        case head(used: Int)
        /// Content: the last `count` of the bytes that were used; only where parts are reported. There may be nothing behind it: it has
        /// to be called again even so.
        case content(used: Int, count: Int)
        case complete(used: Int, status: Int, keepsAlive: Bool)
        case malformed
    }

    private enum State: Equatable {
        case head
        case content(left: Int)
        case chunkSize
        case chunk(left: Int)
        case trailers
        /// The content ends with the connection.
        case untilClose
    }

    /// Heads longer than this are not waited for.
    private static let mostHead = 64 * 1024

    private let isHead: Bool
    private let reportsParts: Bool
    private var state = State.head
    private var scanned = 0
    private var status = 0
    private var keepsAlive = true

    /// - Parameters:
    ///   - isHead: whether the answers are to HEAD requests.
    ///   - reportsParts: whether heads and content are reported as they come, for those who want to look at them.
    package init(isHead: Bool = false, reportsParts: Bool = false) {
        (self.isHead, self.reportsParts) = (isHead, reportsParts)
    }

    /// Forgets everything, for the next answer.
    package mutating func reset() { self = ResponseParser(isHead: isHead, reportsParts: reportsParts) }

    /// Whether the head is still to come, or a part of it.
    package var isInHead: Bool { state == .head }

    /// Whether the end of the stream is the end of the answer.
    package var endsWithStream: Bool { state == .untilClose }

    /// The status and, at the end of the stream, all there is to know of an answer that ends with it.
    package var statusSoFar: Int { status }

    /// Looks at the bytes that were not used yet.
    package mutating func advance(over bytes: UnsafeRawBufferPointer) -> Action {
        var used = 0
        while true {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[used...])
            switch state {
            case .head:
                guard let length = headLength(rest) else {
                    return rest.count > Self.mostHead ? .malformed : .needMore(used: used)
                }
                guard take(head: UnsafeRawBufferPointer(rebasing: rest[..<length])) else { return .malformed }
                used += length
                // Interim answers announce another (RFC 9110, 15.2).
                if status < 200, status != 101 { state = .head }
                if reportsParts { return .head(used: used) }
                if state == .content(left: 0) { return complete(used) }
            case .content(let left):
                let count = min(left, rest.count)
                used += count
                if reportsParts, count > 0 {
                    state = .content(left: left - count)
                    return .content(used: used, count: count)
                }
                if count == left { return complete(used) }
                state = .content(left: left - count)
                return .needMore(used: used)
            case .chunk(let left):
                let count = min(left, rest.count)
                used += count
                state = count == left ? .chunkSize : .chunk(left: left - count)
                // The line end behind it is no content.
                let content = min(count, max(0, left - 2))
                if reportsParts, content > 0 {
                    used -= count - content
                    state = .chunk(left: left - content)
                    return .content(used: used, count: content)
                }
                if count < left { return .needMore(used: used) }
            case .chunkSize, .trailers:
                guard let end = rest.firstIndex(of: 0x0A) else {
                    return rest.count > Self.mostHead ? .malformed : .needMore(used: used)
                }
                used += end + 1
                guard let isEnd = take(line: UnsafeRawBufferPointer(rebasing: rest[..<end])) else { return .malformed }
                if isEnd { return complete(used) }
            case .untilClose:
                if reportsParts, !rest.isEmpty { return .content(used: bytes.count, count: rest.count) }
                return .needMore(used: bytes.count)
            }
        }
    }

    private mutating func complete(_ used: Int) -> Action {
        defer { reset() }
        return .complete(used: used, status: status, keepsAlive: keepsAlive)
    }

    /// Where the head ends: behind the first empty line.
    private mutating func headLength(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        while let found = memchr(base + scanned, 0x0A, bytes.count - scanned) {
            let end = UnsafeRawPointer(found) - base
            // The line before this one ended right here, or a CR ago.
            if end >= 1, bytes[end - 1] == 0x0A || (end >= 2 && bytes[end - 1] == 0x0D && bytes[end - 2] == 0x0A) {
                scanned = 0
                return end + 1
            }
            scanned = end + 1
        }
        // Kept short of the end, so that a line end that was cut is looked at again.
        scanned = max(0, bytes.count - 2)
        return nil
    }

    /// Understands a head.
    ///
    /// False when it is none.
    private mutating func take(head: UnsafeRawBufferPointer) -> Bool {
        guard head.count >= 13, UnsafeRawBufferPointer(rebasing: head[..<7]).isEqual("HTTP/1."),
            let code = UnsafeRawBufferPointer(rebasing: head[9..<12]).decimal, head[8] == 0x20, code >= 100
        else { return false }
        status = code
        keepsAlive = head[7] != UInt8(ascii: "0")
        var length: Int?
        var isChunked = false
        var lineStart = (head.firstIndex(of: 0x0A) ?? head.count) + 1
        while lineStart < head.count {
            let lineEnd = head[lineStart...].firstIndex(of: 0x0A) ?? head.count
            let line = UnsafeRawBufferPointer(rebasing: head[lineStart..<lineEnd])
            lineStart = lineEnd + 1
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let name = UnsafeRawBufferPointer(rebasing: line[..<colon])
            guard name.count == 10 || name.count == 14 || name.count == 17 else { continue }
            var value = UnsafeRawBufferPointer(rebasing: line[(colon + 1)...])
            if value.last == 0x0D { value = UnsafeRawBufferPointer(rebasing: value.dropLast()) }
            value = value.trimmed
            if name.isEqualIgnoringCase("content-length") {
                guard let number = value.decimal else { return false }
                length = number
            } else if name.isEqualIgnoringCase("connection") {
                if value.isEqualIgnoringCase("close") { keepsAlive = false }
                if value.isEqualIgnoringCase("keep-alive") { keepsAlive = true }
            } else if name.isEqualIgnoringCase("transfer-encoding") {
                isChunked = value.isEqualIgnoringCase("chunked")
            }
        }
        if isHead || status == 204 || status == 304 {
            state = .content(left: 0)
        } else if isChunked {
            state = .chunkSize
        } else if let length {
            state = .content(left: length)
        } else if status >= 200 {
            state = .untilClose
        }
        return true
    }

    /// Takes a line of the chunked coding (RFC 9112, 7.1).
    ///
    /// True at its end, nil when it is malformed.
    private mutating func take(line: UnsafeRawBufferPointer) -> Bool? {
        let text = line.last == 0x0D ? UnsafeRawBufferPointer(rebasing: line.dropLast()) : line
        if state == .trailers { return text.isEmpty }
        var size = 0
        var digits = 0
        for byte in text {
            guard byte.isHexadecimal else {
                guard byte == UInt8(ascii: ";") || byte.isBlank else { return nil }
                break
            }
            // However many zeros stand before it; what follows adds to it.
            guard size >> 55 == 0 else { return nil }
            size = size << 4 | Int(byte.isDigit ? byte &- UInt8(ascii: "0") : (byte | 0x20) &- UInt8(ascii: "a") &+ 10)
            digits += 1
        }
        guard digits > 0 else { return nil }
        // The line end behind a chunk is taken as a part of it.
        state = size == 0 ? .trailers : .chunk(left: size + 2)
        return false
    }
}
