// What a connection is about to send. Replies to requests that arrived together are gathered here and leave in one write.
// A connection has a block only while something waits; blocks of the usual size go round within the worker.
import Glibc

/// Bytes of one connection that have not been sent.
@usableFromInline package nonisolated struct OutputBuffer: ~Copyable {
    /// The size of a block, and what may gather before it is better sent.
    package static let usualSize = 32 * 1024

    @exclusivity(unchecked) nonisolated(unsafe) private static var spareBlocks = Spares<UnsafeMutableRawPointer>(
        atMost: 64
    )

    // Seen by the callers' modules, which append a dozen short pieces for each answer: inlined, those are a few moves (benchmarks/requests).
    @usableFromInline var block: UnsafeMutableRawPointer?
    @usableFromInline var capacity = 0
    @usableFromInline var used = 0

    /// How many bytes wait.
    package var count: Int { used }

    package init() {}

    deinit { Self.release(block, capacity) }

    package var isEmpty: Bool { count == 0 }

    /// What waits to be sent.
    ///
    /// The memory stays where it is until the next append or `removeAll`.
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: block, count: count) }

    @inlinable
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        room(for: bytes.count).copyMemory(from: source, byteCount: bytes.count)
        used += bytes.count
    }

    /// Appends what a program says itself, without making a string of it.
    ///
    /// Named apart, because a literal without a name would become a `String`.
    @inlinable
    @inline(__always)
    package mutating func append(literal text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    package mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

    package mutating func append(_ text: String) {
        // From where the text lies: `withUTF8` would want a copy to hold on to.
        if text.utf8.withContiguousStorageIfAvailable({ append(UnsafeRawBufferPointer($0)) }) != nil { return }
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// Appends a number in decimal digits.
    package mutating func append(decimal number: Int) {
        var rest = number.magnitude
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { room in
            var position = room.count
            repeat {
                position -= 1
                room[position] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            if number < 0 {
                position -= 1
                room[position] = UInt8(ascii: "-")
            }
            append(UnsafeRawBufferPointer(rebasing: room[position...]))
        }
    }

    /// Appends a number in hexadecimal digits.
    package mutating func append(hexadecimal number: Int) {
        var (rest, position) = (number.magnitude, 16)
        var digits: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &digits) { room in
            repeat {
                position -= 1
                let digit = UInt8(rest & 15)
                room[position] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                rest >>= 4
            } while rest > 0
            append(UnsafeRawBufferPointer(rebasing: room[position...]))
        }
    }

    /// Forgets the first bytes, which have been sent.
    package mutating func removeFirst(_ sent: Int) {
        guard let block, sent < used else { return removeAll() }
        memmove(block, block + sent, used - sent)
        used -= sent
    }

    /// Forgets everything, and gives the memory back to the worker.
    package mutating func removeAll() {
        Self.release(block, capacity)
        (block, capacity, used) = (nil, 0, 0)
    }

    @inlinable
    @inline(__always)
    mutating func room(for more: Int) -> UnsafeMutableRawPointer {
        if let block, capacity - used >= more { return block + used }
        return grow(by: more)
    }

    @inline(never)
    @usableFromInline mutating func grow(by more: Int) -> UnsafeMutableRawPointer {
        var size = max(Self.usualSize, capacity)
        while size - used < more { size *= 2 }
        let larger =
            size == Self.usualSize
            ? Self.spareBlocks.take() ?? .allocate(byteCount: size, alignment: 64)
            : .allocate(byteCount: size, alignment: 64)
        if let block { larger.copyMemory(from: block, byteCount: used) }
        Self.release(block, capacity)
        (block, capacity) = (larger, size)
        return larger + used
    }

    private static func release(_ block: UnsafeMutableRawPointer?, _ capacity: Int) {
        guard let block else { return }
        if capacity == usualSize, spareBlocks.giveBack(block) { return }
        block.deallocate()
    }
}
