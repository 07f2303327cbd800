// Finds the content in the bytes behind a request's head: as many as Content-Length says, or chunks (RFC 9112, 6 and 7.1). A pure state
// machine, which the server's connection feeds; the same result however the input is cut into pieces.
//
// As strict as RequestParser, for the same reason: where two readers could disagree about where the content ends, they would disagree about
// what the next request is.
import Glibc

/// Reads the content of one request.
package nonisolated struct BodyDecoder {
    /// What the bytes so far amount to.
    package enum Action: Equatable {
        /// There has to come more; the first `used` bytes are done with.
        case needMore(used: Int)
        /// These bytes are content; they and what stands before them are done with.
        case content(Range<Int>)
        /// The content has ended; the first `used` bytes are done with, what follows is the next request.
        case end(used: Int)
        /// It is not content that anybody can read without doubt.
        case refuse(RequestParser.Refusal)
    }

    private enum State: Equatable {
        case ended
        case counted(left: Int)
        case chunkLine
        case chunk(left: Int)
        case chunkEnd
        case trailers
    }

    private var state: State
    private let limits: BodyLimits
    // How many of the bytes that are not done with are known to hold no line end.
    private var scanned = 0
    private var extensionBytes = 0
    private var trailerBytes = 0
    /// The fields behind the last chunk, those that describe the message's framing or routing left out (RFC 9110, 6.5.1).
    package private(set) var trailers: [(name: String, value: String)] = []

    /// A decoder for content of a known length.
    package init(length: Int, limits: BodyLimits = BodyLimits()) {
        state = length > 0 ? .counted(left: length) : .ended
        self.limits = limits
    }

    /// A decoder for chunks.
    package init(chunkedWith limits: BodyLimits = BodyLimits()) {
        state = .chunkLine
        self.limits = limits
    }

    /// Whether the content has ended.
    package var isComplete: Bool { state == .ended }

    /// How many bytes are still to come; nil where only the chunks themselves will tell.
    package var remaining: Int? {
        switch state {
        case .ended: 0
        case .counted(let left): left
        default: nil
        }
    }

    /// Looks at `bytes`: all that have come and are not done with.
    package mutating func advance(over bytes: UnsafeRawBufferPointer) -> Action {
        var used = 0
        while true {
            let left = bytes.count - used
            switch state {
            case .ended:
                return .end(used: used)
            case .counted(let count):
                guard left > 0 else { return .needMore(used: used) }
                let taken = min(count, left)
                state = taken == count ? .ended : .counted(left: count - taken)
                return .content(used..<(used + taken))
            case .chunk(let count):
                guard left > 0 else { return .needMore(used: used) }
                let taken = min(count, left)
                state = taken == count ? .chunkEnd : .chunk(left: count - taken)
                return .content(used..<(used + taken))
            case .chunkEnd:
                guard left > 0 else { return .needMore(used: used) }
                guard bytes[used] == 0x0D else { return Self.refusal("a chunk is longer than its size says") }
                guard left > 1 else { return .needMore(used: used) }
                guard bytes[used + 1] == 0x0A else { return Self.refusal("a chunk is longer than its size says") }
                used += 2
                state = .chunkLine
            case .chunkLine, .trailers:
                if let action = advanceLine(over: bytes, &used) { return action }
            }
        }
    }

    private static func refusal(_ reason: StaticString) -> Action {
        .refuse(RequestParser.Refusal(.badRequest, reason))
    }

    /// Takes the line that begins at `used`; nil when it was one.
    private mutating func advanceLine(over bytes: UnsafeRawBufferPointer, _ used: inout Int) -> Action? {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[used...])
        let limit = state == .trailers ? limits.trailers - trailerBytes : limits.chunkLine
        let tooLong =
            state == .trailers
            ? Action.refuse(RequestParser.Refusal(.fieldsTooLarge, "the trailer fields are too long"))
            : Self.refusal("the line before a chunk is too long")
        guard let base = rest.baseAddress, let found = memchr(base + scanned, 0x0A, rest.count - scanned) else {
            scanned = rest.count
            // The last byte may be the CR of the line's end.
            return rest.count - 1 > limit ? tooLong : .needMore(used: used)
        }
        let end = UnsafeRawPointer(found) - base
        scanned = 0
        // First of all, as for a line whose end has not come.
        guard end - 1 <= limit else { return tooLong }
        guard end > 0, rest[end - 1] == 0x0D else {
            return Self.refusal("a line of the chunked coding ends without CR")
        }
        used += end + 1
        let line = UnsafeRawBufferPointer(rebasing: rest[..<(end - 1)])
        return state == .trailers ? takeTrailer(line, &used) : takeChunkLine(line)
    }

    /// chunk-size [ chunk-ext ] (RFC 9112, 7.1).
    private mutating func takeChunkLine(_ line: UnsafeRawBufferPointer) -> Action? {
        var (size, position) = (0, 0)
        while position < line.count, line[position].isHexadecimal {
            guard size >> 59 == 0 else { return Self.refusal("the size of a chunk is more than any can have") }
            size = size << 4 | Int(line[position].hexadecimalValue)
            position += 1
        }
        guard position > 0 else { return Self.refusal("the size of a chunk is not a number") }
        let extensions = UnsafeRawBufferPointer(rebasing: line[position...])
        guard Self.areExtensions(extensions) else {
            return Self.refusal("what follows the size of a chunk is no extension")
        }
        extensionBytes += extensions.count
        guard extensionBytes <= limits.extensions else { return Self.refusal("too many chunk extensions") }
        state = size == 0 ? .trailers : .chunk(left: size)
        return nil
    }

    /// *( BWS ";" BWS name [ BWS "=" BWS value ] ) (RFC 9112, 7.1.1).
    private static func areExtensions(_ text: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        func skipBlanks() { while position < text.count, text[position].isBlank { position += 1 } }
        func skipToken() -> Bool {
            let start = position
            while position < text.count, text[position].isTokenCharacter { position += 1 }
            return position > start
        }
        while position < text.count {
            skipBlanks()
            guard position < text.count, text[position] == UInt8(ascii: ";") else { return false }
            position += 1
            skipBlanks()
            guard skipToken() else { return false }
            let end = position
            skipBlanks()
            guard position < text.count, text[position] == UInt8(ascii: "=") else {
                position = end
                continue
            }
            position += 1
            skipBlanks()
            guard position < text.count, text[position] == UInt8(ascii: "\"") else {
                guard skipToken() else { return false }
                continue
            }
            guard let length = UnsafeRawBufferPointer(rebasing: text[position...]).quotedStringLength else {
                return false
            }
            position += length
        }
        return true
    }

    /// A field behind the last chunk, or the empty line behind those (RFC 9112, 7.1.2).
    private mutating func takeTrailer(_ line: UnsafeRawBufferPointer, _ used: inout Int) -> Action? {
        if line.isEmpty {
            state = .ended
            return .end(used: used)
        }
        trailerBytes += line.count + 2
        guard trailers.count < limits.trailerCount, trailerBytes <= limits.trailers else {
            return .refuse(RequestParser.Refusal(.fieldsTooLarge, "too many trailer fields"))
        }
        guard let colon = line.firstIndex(where: { !$0.isTokenCharacter }), colon > 0, line[colon] == UInt8(ascii: ":")
        else { return Self.refusal("a trailer field's name is not a token with a colon behind it") }
        let value = UnsafeRawBufferPointer(rebasing: line[(colon + 1)...]).trimmed
        guard !value.contains(where: \.isControl) else {
            return Self.refusal("a trailer field's value has a control character")
        }
        let name = UnsafeRawBufferPointer(rebasing: line[..<colon])
        if Self.mayBeTrailer(name) {
            trailers.append((String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
        }
        return nil
    }

    /// Whether a field means anything behind the content: not one for framing, routing, authentication or content handling.
    private static func mayBeTrailer(_ name: UnsafeRawBufferPointer) -> Bool {
        let forbidden: [StaticString] = [
            "content-length", "transfer-encoding", "host", "connection", "keep-alive", "te", "trailer", "upgrade",
            "authorization", "proxy-authorization", "cookie", "set-cookie", "expect", "range", "max-forwards",
            "cache-control", "content-encoding", "content-type", "content-range", "if-match", "if-none-match",
            "if-modified-since", "if-unmodified-since", "if-range",
        ]
        return !forbidden.contains { name.isEqualIgnoringCase($0) }
    }
}
