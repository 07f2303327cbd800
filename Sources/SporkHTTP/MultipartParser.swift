// Finds the parts in a multipart body (RFC 2046, 5.1, RFC 7578): their fields, and their content as it comes. A pure state machine, which
// MultipartReader feeds; the same result however the input is cut into pieces.
//
// Strict, because what others would read differently could get past them: lines end with CR LF, fields are not folded, and a line that begins
// with the boundary is one, whatever follows.
import Glibc

/// Reads a body in several parts.
package nonisolated struct MultipartParser {
    /// What the bytes so far amount to.
    package enum Action {
        /// There has to come more; the first `used` bytes are done with.
        case needMore(used: Int)
        /// A part begins; the first `used` bytes are done with, its content follows.
        case part(Headers, used: Int)
        /// These bytes are content of the part; they and what stands before them are done with.
        case content(Range<Int>)
        /// The part has ended; the first `used` bytes are done with.
        case partEnd(used: Int)
        /// There are no more parts; what follows means nothing.
        case end(used: Int)
        /// It is not a body that anybody can read without doubt, or goes beyond a limit.
        case refuse(RequestParser.Refusal)
    }

    private enum State {
        case preamble
        case behindBoundary
        case fields
        case content
        case ended
    }

    private var state = State.preamble
    private let limits: MultipartLimits
    // CR LF, two hyphens, the boundary.
    private let delimiter: [UInt8]
    // Whether nothing of the preamble, or of the part, has been seen: the line end before the boundary may be missing then.
    private var isAtStart = true
    // How many of the bytes that are not done with are known to hold no line end.
    private var scanned = 0
    private var partCount = 0
    private var fieldBytes = 0
    private var contentBytes = 0
    private var padding = 0
    private var fields: [Headers.Field] = []
    // What was refused stays so: whoever asks again must not be told of parts behind it.
    private var refused: RequestParser.Refusal?

    /// A parser for a body with this boundary.
    ///
    /// - Returns: nil when it is no boundary: empty, longer than 70 characters, or with others than those that are allowed.
    package init?(boundary: String, limits: MultipartLimits = MultipartLimits()) {
        guard (1...MultipartLimits.mostBoundary).contains(boundary.utf8.count), boundary.utf8.last != 0x20,
            boundary.utf8.allSatisfy(\.mayStandInBoundary)
        else { return nil }
        delimiter = Array("\r\n--".utf8) + boundary.utf8
        self.limits = limits
    }

    /// Whether the last boundary has been seen.
    package var isComplete: Bool { state == .ended }

    /// Looks at `bytes`: all that have come and are not done with.
    package mutating func advance(over bytes: UnsafeRawBufferPointer) -> Action {
        if let refused { return .refuse(refused) }
        let action = step(over: bytes)
        if case .refuse(let refusal) = action { refused = refusal }
        return action
    }

    private mutating func step(over bytes: UnsafeRawBufferPointer) -> Action {
        var used = 0
        while true {
            switch state {
            case .ended:
                return .end(used: used)
            case .preamble:
                if let action = skipPreamble(bytes, &used) { return action }
            case .behindBoundary:
                if let action = endBoundary(bytes, &used) { return action }
            case .fields:
                if let action = takeLine(bytes, &used) { return action }
            case .content:
                return takeContent(bytes, used)
            }
        }
    }

    private static func refusal(_ reason: StaticString) -> Action {
        .refuse(RequestParser.Refusal(.badRequest, reason))
    }

    private static func tooLarge(_ reason: StaticString) -> Action {
        .refuse(RequestParser.Refusal(.contentTooLarge, reason))
    }

    private mutating func skipPreamble(_ bytes: UnsafeRawBufferPointer, _ used: inout Int) -> Action? {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[used...])
        if isAtStart {
            guard let length = boundaryAtStart(of: rest) else { return .needMore(used: used) }
            isAtStart = false
            if length > 0 {
                used += length
                beginBoundary()
                return nil
            }
        }
        let found = firstDelimiter(in: rest)
        let passed = found ?? rest.count - heldBack(rest)
        contentBytes += passed
        used += passed
        guard contentBytes <= limits.preamble else { return Self.tooLarge("too much stands before the first part") }
        guard found != nil else { return .needMore(used: used) }
        used += delimiter.count
        beginBoundary()
        return nil
    }

    private mutating func takeContent(_ bytes: UnsafeRawBufferPointer, _ used: Int) -> Action {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[used...])
        if isAtStart {
            guard let length = boundaryAtStart(of: rest) else { return .needMore(used: used) }
            isAtStart = false
            if length > 0 {
                beginBoundary()
                return .partEnd(used: used + length)
            }
        }
        let found = firstDelimiter(in: rest)
        if found == 0 {
            beginBoundary()
            return .partEnd(used: used + delimiter.count)
        }
        let count = found ?? rest.count - heldBack(rest)
        guard count > 0 else { return .needMore(used: used) }
        contentBytes += count
        guard contentBytes <= limits.partBytes else { return Self.tooLarge("a part is too long") }
        return .content(used..<(used + count))
    }

    private mutating func beginBoundary() { (state, padding) = (.behindBoundary, 0) }

    /// What stands behind a boundary: two hyphens for the last one, or a line end, which blanks may precede.
    private mutating func endBoundary(_ bytes: UnsafeRawBufferPointer, _ used: inout Int) -> Action? {
        while used < bytes.count, bytes[used].isBlank {
            used += 1
            padding += 1
        }
        guard padding <= limits.headerBytes else { return Self.tooLarge("too much stands behind a boundary") }
        guard used < bytes.count else { return .needMore(used: used) }
        let isLast = padding == 0 && bytes[used] == UInt8(ascii: "-")
        guard isLast || bytes[used] == 0x0D else { return Self.refusal("something else stands behind a boundary") }
        guard used + 1 < bytes.count else { return .needMore(used: used) }
        guard bytes[used + 1] == (isLast ? UInt8(ascii: "-") : 0x0A) else {
            return Self.refusal("something else stands behind a boundary")
        }
        used += 2
        if isLast {
            state = .ended
            return nil
        }
        partCount += 1
        guard partCount <= limits.parts else { return Self.tooLarge("too many parts") }
        (state, fields, fieldBytes, scanned) = (.fields, [], 0, 0)
        return nil
    }

    /// Takes a line at the head of a part; nil when it was a field.
    private mutating func takeLine(_ bytes: UnsafeRawBufferPointer, _ used: inout Int) -> Action? {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[used...])
        guard let base = rest.baseAddress, !rest.isEmpty else { return .needMore(used: used) }
        let limit = limits.headerBytes - fieldBytes
        guard let found = memchr(base + scanned, 0x0A, rest.count - scanned) else {
            scanned = rest.count
            // The last byte may be the CR of the line's end.
            return rest.count - 1 > limit ? Self.tooLarge("the fields of a part are too long") : .needMore(used: used)
        }
        let end = UnsafeRawPointer(found) - base
        scanned = 0
        guard end > 0, rest[end - 1] == 0x0D else {
            return end > limit
                ? Self.tooLarge("the fields of a part are too long") : Self.refusal("a part's line ends without CR")
        }
        guard end - 1 <= limit else { return Self.tooLarge("the fields of a part are too long") }
        fieldBytes += end + 1
        used += end + 1
        guard end > 1 else {
            (state, isAtStart, contentBytes) = (.content, true, 0)
            return .part(Headers(fields), used: used)
        }
        return takeField(UnsafeRawBufferPointer(rebasing: rest[..<(end - 1)]))
    }

    private mutating func takeField(_ line: UnsafeRawBufferPointer) -> Action? {
        // Some boundaries could be names of fields; who looks for boundaries first sees one here.
        guard !line.starts(with: delimiter[2...]) else { return Self.refusal("a boundary among the fields of a part") }
        guard let colon = line.firstIndex(where: { !$0.isTokenCharacter }), colon > 0, line[colon] == UInt8(ascii: ":")
        else { return Self.refusal("a part's field has no name with a colon behind it") }
        let value = UnsafeRawBufferPointer(rebasing: line[(colon + 1)...]).trimmed
        guard !value.contains(where: \.isControl) else {
            return Self.refusal("a part's field has a control character")
        }
        guard fields.count < limits.headers else { return Self.tooLarge("a part has too many fields") }
        let name = String(decoding: line[..<colon], as: UTF8.self)
        fields.append(Headers.Field(name, String(decoding: value, as: UTF8.self)))
        return nil
    }

    /// The length of the boundary that `bytes` begin with, without a line end before it; 0 for none, nil when more has to come.
    private func boundaryAtStart(of bytes: UnsafeRawBufferPointer) -> Int? {
        let boundary = delimiter[2...]
        guard bytes.prefix(boundary.count).elementsEqual(boundary.prefix(bytes.count)) else { return 0 }
        return bytes.count < boundary.count ? nil : boundary.count
    }

    private func firstDelimiter(in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        return delimiter.withUnsafeBytes { delimiter in
            var position = 0
            while let found = memchr(base + position, 0x0D, bytes.count - position) {
                position = UnsafeRawPointer(found) - base
                guard let start = delimiter.baseAddress, bytes.count - position >= delimiter.count else { return nil }
                if memcmp(found, start, delimiter.count) == 0 { return position }
                position += 1
            }
            return nil
        }
    }

    /// How many bytes at the end may be the beginning of a delimiter: from the last CR on, which is its first byte and none of the others.
    private func heldBack(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard let start = bytes.suffix(delimiter.count - 1).lastIndex(of: 0x0D) else { return 0 }
        let tail = bytes[start...]
        return tail.elementsEqual(delimiter.prefix(tail.count)) ? tail.count : 0
    }
}

extension UInt8 {
    /// Whether this may stand in a boundary (RFC 2046, 5.1.1).
    fileprivate nonisolated var mayStandInBoundary: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        // ' ( ) + , - . / digits : and space = ? _
        case 0x27...0x29, 0x2B...0x3A, 0x20, 0x3D, 0x3F, 0x5F: true
        default: false
        }
    }
}
