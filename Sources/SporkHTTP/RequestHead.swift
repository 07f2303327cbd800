// The head of a request, understood: what the parser found, with the bytes it was found in. One object serves many requests, one after the
// other, so that a request allocates nothing; what is read from it is valid until the next.
//
// Clients send the same fields again and again behind request lines that differ. So the places of fields are counted from the first of them, and
// where all are byte for byte those of the request before, what was found in those still holds: nobody has to read them again.
import Glibc

/// The head of a request.
package nonisolated final class RequestHead {
    /// A place in the head's bytes.
    package struct Slice: Equatable {
        package var start: UInt32
        package var end: UInt32

        package init(_ start: Int, _ end: Int) {
            self.start = UInt32(truncatingIfNeeded: start)
            self.end = UInt32(truncatingIfNeeded: end)
        }

        package var isEmpty: Bool { start == end }
    }

    /// Fields that the server itself asks for; the parser remembers where they are.
    package enum KnownField: Int, CaseIterable {
        case host, connection, contentLength, transferEncoding, expect
        case ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince, ifRange, range
    }

    // One thread's, and touched by nothing that these call: exclusivity needs no checks at run time.
    @exclusivity(unchecked) package internal(set) var method = HTTPMethod.unknown
    @exclusivity(unchecked) package internal(set) var version = HTTPVersion.http11
    /// The target as it was sent.
    @exclusivity(unchecked) package internal(set) var target = Slice(0, 0)
    /// The path within the target, not decoded.
    ///
    /// Empty where an absolute target has none, which means "/".
    @exclusivity(unchecked) package internal(set) var path = Slice(0, 0)
    /// The host and port within an absolute target, which count instead of the Host field (RFC 9112, 3.2.2), or those of CONNECT.
    @exclusivity(unchecked) package internal(set) var authority: Slice?
    /// What follows the question mark within the target; nil without one.
    @exclusivity(unchecked) package internal(set) var query: Slice?
    /// Whether the connection stays open after the answer, as far as the client is concerned.
    @exclusivity(unchecked) package internal(set) var keepsAlive = true
    @exclusivity(unchecked) package internal(set) var contentLength: Int?
    @exclusivity(unchecked) package internal(set) var isChunked = false
    // What Connection said: close wins over keep-alive.
    @exclusivity(unchecked) var saysClose = false
    @exclusivity(unchecked) var saysKeepAlive = false

    @exclusivity(unchecked) private var bytes = UnsafeMutableRawPointer.allocate(byteCount: 2048, alignment: 16)
    @exclusivity(unchecked) private var capacity = 2048
    @exclusivity(unchecked) private var fields = UnsafeMutablePointer<(name: Slice, value: Slice)>.allocate(
        capacity: 32
    )
    @exclusivity(unchecked) private var fieldCapacity = 32
    private let known = UnsafeMutablePointer<Slice>.allocate(capacity: KnownField.allCases.count)
    // One bit a known field: whether `known` holds a value for it, and whether there are more.
    @exclusivity(unchecked) private var present: UInt32 = 0
    @exclusivity(unchecked) private var repeated: UInt32 = 0

    // Where the first field is, and how many bytes they all are with the empty line behind them; 0 until they are known to be whole.
    @exclusivity(unchecked) private var fieldsStart = 0
    @exclusivity(unchecked) private var fieldsLength = 0

    /// How many fields there are.
    @exclusivity(unchecked) package private(set) var fieldCount = 0

    package init() {}

    deinit {
        bytes.deallocate()
        fields.deallocate()
        known.deallocate()
    }

    /// The bytes at a place.
    package func bytes(_ slice: Slice) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: bytes + Int(slice.start), count: Int(slice.end - slice.start))
    }

    // The same for what is counted from the first field.
    private func fieldBytes(_ slice: Slice) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: bytes + fieldsStart + Int(slice.start), count: Int(slice.end - slice.start))
    }

    /// Method and target as they were sent: the beginning of the first line.
    package var requestText: UnsafeRawBufferPointer { bytes(Slice(0, Int(target.end))) }

    /// All values of a field that may be sent in several lines, as the one list that they are (RFC 9110, 5.3).
    package func withList<Result>(_ field: KnownField, _ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
        guard let first = value(field) else { return nil }
        guard repeated >> UInt32(field.rawValue) & 1 == 1 else { return body(first) }
        var joined: [UInt8] = []
        for index in 0..<fieldCount where RequestParser.knownField(fieldBytes(fields[index].name)) == field {
            if !joined.isEmpty { joined.append(UInt8(ascii: ",")) }
            joined += fieldBytes(fields[index].value)
        }
        return joined.withUnsafeBytes(body)
    }

    /// The value of a field, the first where there are several.
    ///
    /// Costs nothing to ask.
    package func value(_ field: KnownField) -> UnsafeRawBufferPointer? {
        present >> UInt32(field.rawValue) & 1 == 0 ? nil : fieldBytes(known[field.rawValue])
    }

    /// The name and the value of the field at a position.
    package func field(at index: Int) -> (name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        precondition(index < fieldCount)
        return (fieldBytes(fields[index].name), fieldBytes(fields[index].value))
    }

    /// The first value of the field with this name; nil where there is none.
    package func value(named name: String) -> UnsafeRawBufferPointer? {
        for index in 0..<fieldCount where fieldBytes(fields[index].name).isSameToken(as: name) {
            return fieldBytes(fields[index].value)
        }
        return nil
    }

    func has(_ field: KnownField) -> Bool { present >> UInt32(field.rawValue) & 1 == 1 }

    /// Begins with a request line.
    func begin() { (method, query, authority) = (.unknown, nil, nil) }

    /// How many bytes the fields are that begin at `start`, with the empty line behind them, where they are those of the request before; nil where
    /// they are not, or not yet.
    func repeatedFields(in text: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard fieldsLength > 0, text.count - start >= fieldsLength, let base = text.baseAddress,
            memcmp(base + start, bytes + fieldsStart, fieldsLength) == 0
        else { return nil }
        return fieldsLength
    }

    /// Begins with fields that are read one by one, the first at `start`.
    func beginFields(at start: Int) {
        (fieldsStart, fieldsLength) = (start, 0)
        (fieldCount, present, repeated) = (0, 0, 0)
        (contentLength, isChunked, saysClose, saysKeepAlive) = (nil, false, false, false)
    }

    /// Adds a field that was read.
    func append(name: Range<Int>, value: Range<Int>) {
        if fieldCount == fieldCapacity {
            let larger = UnsafeMutablePointer<(name: Slice, value: Slice)>.allocate(capacity: fieldCapacity * 2)
            larger.moveInitialize(from: fields, count: fieldCount)
            fields.deallocate()
            (fields, fieldCapacity) = (larger, fieldCapacity * 2)
        }
        (fields + fieldCount).initialize(to: (place(of: name), place(of: value)))
        fieldCount += 1
    }

    private func place(of range: Range<Int>) -> Slice {
        Slice(range.lowerBound - fieldsStart, range.upperBound - fieldsStart)
    }

    /// Remembers a known field, or that it was there before.
    func note(_ field: KnownField, _ value: Range<Int>) {
        if has(field) {
            repeated |= 1 << UInt32(field.rawValue)
        } else {
            present |= 1 << UInt32(field.rawValue)
            known[field.rawValue] = place(of: value)
        }
    }

    /// Copies the head, which is whole: all places refer to it.
    ///
    /// - Parameter repeated: how many bytes at its end are the fields of the request before; nil where they were read.
    func keep(_ head: UnsafeRawBufferPointer, repeated: Int?) {
        guard let source = head.baseAddress else { return }
        if head.count > capacity {
            bytes.deallocate()
            capacity = max(head.count, capacity * 2)
            bytes = .allocate(byteCount: capacity, alignment: 16)
        }
        bytes.copyMemory(from: source, byteCount: head.count)
        if let repeated { fieldsStart = head.count - repeated }
        fieldsLength = head.count - fieldsStart
    }
}
