// The path of a request in pieces, decoded once: what the router walks along and route parameters are taken from. One object's memory
// serves all requests of a connection. Unlike RequestPath, which makes names of files, it keeps empty segments, and knows a slash that
// was encoded from one that separates.

/// The decoded segments of a path.
package nonisolated struct PathSegments {
    /// How decoding went.
    package enum Outcome: Equatable {
        case split
        /// It is not encoded as paths are, is not UTF-8, or has a zero byte.
        case malformed
        /// It leads above the root.
        case escapesRoot
    }

    // Decoded, the segments one behind the other with a slash behind each; `used` bytes of it.
    private var bytes: [UInt8] = []
    private var used = 0
    // Where each ends in `bytes`; `count` of them.
    private var ends: [Int] = []
    /// How many there are; "/" has one, which is empty.
    package private(set) var count = 0
    /// Whether a path has been split.
    package private(set) var isSplit = false

    package init() {}

    /// Forgets the path, not the memory.
    package mutating func removeAll() { (isSplit, used, count) = (false, 0, 0) }

    /// Splits `path`, which starts with a slash or is empty, and resolves dot segments (RFC 3986, 5.2.4).
    package mutating func split(_ path: UnsafeRawBufferPointer) -> Outcome {
        removeAll()
        // No segment is longer decoded, and there are no more of them than bytes.
        if bytes.count < path.count + 2 { bytes = [UInt8](repeating: 0, count: max(256, path.count + 2)) }
        var position = path.isEmpty ? 0 : 1
        var hasHighBytes = false
        var lastIsDots = false
        repeat {
            let start = used
            guard decodeSegment(of: path, at: &position, &hasHighBytes) else { return .malformed }
            let length = used - start
            let isDot = length == 1 && bytes[start] == UInt8(ascii: ".")
            let isDotDot = length == 2 && bytes[start] == UInt8(ascii: ".") && bytes[start + 1] == UInt8(ascii: ".")
            lastIsDots = isDot || isDotDot
            if isDotDot {
                guard count > 0 else { return .escapesRoot }
                count -= 1
                used = count > 0 ? ends[count - 1] + 1 : 0
            } else if isDot {
                used = start
            } else {
                endSegment()
            }
            position += 1
        } while position <= path.count
        // "/a/." and "/a/b/.." are "/a/".
        if lastIsDots || count == 0 { endSegment() }
        guard !hasHighBytes || String(validating: bytes[..<used], as: UTF8.self) != nil else { return .malformed }
        isSplit = true
        return .split
    }

    /// Decodes up to the next slash; false when what is there cannot be decoded.
    private mutating func decodeSegment(
        of path: UnsafeRawBufferPointer,
        at position: inout Int,
        _ hasHighBytes: inout Bool
    ) -> Bool {
        var (from, end) = (position, used)
        defer { (position, used) = (from, end) }
        return bytes.withUnsafeMutableBufferPointer { bytes in
            while from < path.count, path[from] != UInt8(ascii: "/") {
                var byte = path[from]
                from += 1
                if byte == UInt8(ascii: "%") {
                    guard from + 1 < path.count, path[from].isHexadecimal, path[from + 1].isHexadecimal
                    else { return false }
                    byte = path[from].hexadecimalValue << 4 | path[from + 1].hexadecimalValue
                    from += 2
                }
                if byte == 0 { return false }
                if byte >= 0x80 { hasHighBytes = true }
                bytes[end] = byte
                end += 1
            }
            return true
        }
    }

    private mutating func endSegment() {
        if count == ends.count { ends.append(used) } else { ends[count] = used }
        bytes[used] = UInt8(ascii: "/")
        used += 1
        count += 1
    }

    /// The whole path, decoded.
    package var path: String { "/" + String(decoding: bytes[..<(used - 1)], as: UTF8.self) }

    /// The segment at a position.
    package subscript(position: Int) -> String { String(decoding: bytes[range(position)], as: UTF8.self) }

    /// The segments from a position on, with the slashes between them.
    package func rest(from position: Int) -> String {
        String(decoding: bytes[range(position).lowerBound..<(used - 1)], as: UTF8.self)
    }

    /// Calls `body` with the bytes of one segment after the other until it returns false.
    package func forEach(_ body: (UnsafeRawBufferPointer) -> Bool) {
        bytes.withUnsafeBytes { bytes in
            var start = 0
            for position in 0..<count {
                let end = ends[position]
                guard body(UnsafeRawBufferPointer(rebasing: bytes[start..<end])) else { return }
                start = end + 1
            }
        }
    }

    private func range(_ position: Int) -> Range<Int> { (position == 0 ? 0 : ends[position - 1] + 1)..<ends[position] }
}

/// Where in the path a parameter of a route is.
package nonisolated struct RouteParameter {
    package let name: String
    package let segment: Int
    /// Whether it is all from there on.
    package let isRest: Bool

    package init(name: String, segment: Int, isRest: Bool) {
        self.name = name
        self.segment = segment
        self.isRest = isRest
    }
}
