// The head of a request, understood: what the parser found, with the bytes it was found in. One object serves all requests
// of a connection, one after the other, so that a request allocates nothing; what is read from it is valid until the next.
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

    /// Method and target as they were sent: the beginning of the first line.
    package var requestText: UnsafeRawBufferPointer { bytes(Slice(0, Int(target.end))) }

    /// All values of a field that may be sent in several lines, as the one list that they are (RFC 9110, 5.3).
    package func withList<Result>(_ field: KnownField, _ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
        guard let first = value(field) else { return nil }
        guard repeated >> UInt32(field.rawValue) & 1 == 1 else { return body(first) }
        var joined: [UInt8] = []
        for index in 0..<fieldCount where RequestParser.knownField(bytes(fields[index].name)) == field {
            if !joined.isEmpty { joined.append(UInt8(ascii: ",")) }
            joined += bytes(fields[index].value)
        }
        return joined.withUnsafeBytes(body)
    }

    /// The value of a field, the first where there are several.
    ///
    /// Costs nothing to ask.
    package func value(_ field: KnownField) -> UnsafeRawBufferPointer? {
        present >> UInt32(field.rawValue) & 1 == 0 ? nil : bytes(known[field.rawValue])
    }

    /// The name and the value of the field at a position.
    package func field(at index: Int) -> (name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        precondition(index < fieldCount)
        return (bytes(fields[index].name), bytes(fields[index].value))
    }

    /// The first value of the field with this name; nil where there is none.
    package func value(named name: String) -> UnsafeRawBufferPointer? {
        for index in 0..<fieldCount where bytes(fields[index].name).isSameToken(as: name) {
            return bytes(fields[index].value)
        }
        return nil
    }

    func has(_ field: KnownField) -> Bool { present >> UInt32(field.rawValue) & 1 == 1 }

    func begin() {
        (method, fieldCount, present, repeated) = (.unknown, 0, 0, 0)
        (contentLength, isChunked, keepsAlive) = (nil, false, true)
        (query, authority) = (nil, nil)
    }

    func append(name: Slice, value: Slice) {
        if fieldCount == fieldCapacity {
            let larger = UnsafeMutablePointer<(name: Slice, value: Slice)>.allocate(capacity: fieldCapacity * 2)
            larger.moveInitialize(from: fields, count: fieldCount)
            fields.deallocate()
            (fields, fieldCapacity) = (larger, fieldCapacity * 2)
        }
        (fields + fieldCount).initialize(to: (name, value))
        fieldCount += 1
    }

    /// Remembers a known field, or that it was there before.
    func note(_ field: KnownField, _ value: Slice) {
        if has(field) {
            repeated |= 1 << UInt32(field.rawValue)
        } else {
            present |= 1 << UInt32(field.rawValue)
            known[field.rawValue] = value
        }
    }

    /// Copies the head, to which all places refer.
    func keep(_ head: UnsafeRawBufferPointer) {
        guard let source = head.baseAddress else { return }
        if head.count > capacity {
            bytes.deallocate()
            capacity = max(head.count, capacity * 2)
            bytes = .allocate(byteCount: capacity, alignment: 16)
        }
        bytes.copyMemory(from: source, byteCount: head.count)
    }
}
