// From the path in a request to a path below a directory, and back to one in a link (RFC 3986, 2.1 and 5.2.4). Works on
// bytes, because file names are bytes. The result is relative and has no dot segments, so that whatever opens it stays below
// its directory; the kernel is asked to make sure of that, too.
import Glibc

/// Decodes the path of a request into memory that is used again for the next.
package nonisolated struct RequestPath: ~Copyable {
    /// How decoding went.
    package enum Outcome: Equatable {
        /// It names something; `isDirectory` says that it ended with a slash.
        case path(isDirectory: Bool)
        /// It is not encoded as paths are, or contains a zero byte.
        case malformed
        /// It leads above the root.
        case escapesRoot
        /// No file can have this name: it contains a slash that was encoded, or is longer than any path may be.
        case namesNothing
    }

    /// The longest path the kernel takes, with the zero byte at its end.
    private static let most = 4096

    private let memory = UnsafeMutableRawPointer.allocate(byteCount: most, alignment: 16)
    private var count = 0

    package init() {}

    deinit { memory.deallocate() }

    /// The decoded path, relative, without a slash at either end and without the zero byte behind it; empty for the root.
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: count) }

    /// The decoded path as C's text.
    package var cString: UnsafePointer<CChar> { UnsafePointer(memory.assumingMemoryBound(to: CChar.self)) }

    /// The same, "." for the root: what a call that opens below a directory takes.
    package var cStringOrDot: UnsafePointer<CChar> { count == 0 ? Self.dot : cString }

    nonisolated(unsafe) private static let dot = UnsafePointer(strdup(".").unsafelyUnwrapped)

    /// Decodes `path`, which starts with a slash or is empty.
    package mutating func decode(_ path: UnsafeRawBufferPointer) -> Outcome {
        count = 0
        var isDirectory = true
        var segmentStart = 0
        var position = 0
        var namesNothing = false
        while position < path.count {
            var byte = path[position]
            position += 1
            if byte == UInt8(ascii: "/") {
                guard let start = endSegment(from: segmentStart, separated: true) else { return .escapesRoot }
                (segmentStart, isDirectory) = (start, true)
                continue
            }
            if byte == UInt8(ascii: "%") {
                guard position + 1 < path.count, path[position].isHexadecimal, path[position + 1].isHexadecimal else {
                    return .malformed
                }
                byte = path[position].hexadecimalValue << 4 | path[position + 1].hexadecimalValue
                position += 2
                if byte == UInt8(ascii: "/") { namesNothing = true }
            }
            if byte == 0 { return .malformed }
            if count < Self.most - 1 {
                memory.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
                count += 1
            } else {
                namesNothing = true
            }
            isDirectory = false
        }
        let lastIsDots = isDots(from: segmentStart)
        guard endSegment(from: segmentStart, separated: false) != nil else { return .escapesRoot }
        if count > 0, byte(at: count - 1) == UInt8(ascii: "/") { count -= 1 }
        memory.storeBytes(of: 0, toByteOffset: count, as: UInt8.self)
        return namesNothing ? .namesNothing : .path(isDirectory: isDirectory || lastIsDots || count == 0)
    }

    /// Appends "/" and a name, such as that of a directory's index.
    ///
    /// False when it does not fit.
    package mutating func append(component: StaticString) -> Bool {
        let length = component.utf8CodeUnitCount
        guard count + 1 + length < Self.most else { return false }
        if count > 0 {
            memory.storeBytes(of: UInt8(ascii: "/"), toByteOffset: count, as: UInt8.self)
            count += 1
        }
        (memory + count).copyMemory(from: component.utf8Start, byteCount: length)
        count += length
        memory.storeBytes(of: 0, toByteOffset: count, as: UInt8.self)
        return true
    }

    /// Takes back what was appended to a path that had `count` bytes.
    package mutating func truncate(to count: Int) {
        self.count = min(self.count, count)
        memory.storeBytes(of: 0, toByteOffset: self.count, as: UInt8.self)
    }

    /// Ends the segment that began at `start`: drops empty ones and ".", and takes one back for "..".
    ///
    /// Where the next begins, or nil when there is none to take back.
    private mutating func endSegment(from start: Int, separated: Bool) -> Int? {
        let length = count - start
        if length == 0 { return start }
        if isDots(from: start) {
            count = start
            if length == 2 {
                guard count > 0 else { return nil }
                count -= 1
                while count > 0, byte(at: count - 1) != UInt8(ascii: "/") { count -= 1 }
            }
            return count
        }
        if separated, count < Self.most - 1 {
            memory.storeBytes(of: UInt8(ascii: "/"), toByteOffset: count, as: UInt8.self)
            count += 1
        }
        return count
    }

    private func isDots(from start: Int) -> Bool {
        let length = count - start
        return (length == 1 || length == 2) && (start..<count).allSatisfy { byte(at: $0) == UInt8(ascii: ".") }
    }

    private func byte(at position: Int) -> UInt8 { memory.load(fromByteOffset: position, as: UInt8.self) }
}
