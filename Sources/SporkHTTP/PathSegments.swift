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

    // Decoded, the segments one behind the other with a slash between them.
    private var bytes: [UInt8] = []
    // Where each ends in `bytes`.
    private var ends: [Int] = []
    /// Whether a path has been split.
    package private(set) var isSplit = false

    package init() {}

    /// How many there are; "/" has one, which is empty.
    package var count: Int { ends.count }

    /// Forgets the path, not the memory.
    package mutating func removeAll() {
        isSplit = false
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
    }

    /// Splits `path`, which starts with a slash or is empty, and resolves dot segments (RFC 3986, 5.2.4).
    package mutating func split(_ path: UnsafeRawBufferPointer) -> Outcome {
        removeAll()
        var position = path.isEmpty ? 0 : 1
        var hasHighBytes = false
        var lastIsDots = false
        repeat {
            let start = bytes.count
            while position < path.count, path[position] != UInt8(ascii: "/") {
                var byte = path[position]
                position += 1
                if byte == UInt8(ascii: "%") {
                    guard position + 1 < path.count, path[position].isHexadecimal, path[position + 1].isHexadecimal
                    else { return .malformed }
                    byte = path[position].hexadecimalValue << 4 | path[position + 1].hexadecimalValue
                    position += 2
                }
                if byte == 0 { return .malformed }
                hasHighBytes = hasHighBytes || byte >= 0x80
                bytes.append(byte)
            }
            let length = bytes.count - start
            let isDot = length == 1 && bytes[start] == UInt8(ascii: ".")
            let isDotDot = length == 2 && bytes[start] == UInt8(ascii: ".") && bytes[start + 1] == UInt8(ascii: ".")
            lastIsDots = isDot || isDotDot
            if lastIsDots {
                bytes.removeSubrange(start...)
                if isDotDot {
                    guard ends.popLast() != nil else { return .escapesRoot }
                    bytes.removeSubrange((ends.last.map { $0 + 1 } ?? 0)...)
                }
            } else {
                ends.append(bytes.count)
                bytes.append(UInt8(ascii: "/"))
            }
            position += 1
        } while position <= path.count
        // "/a/." and "/a/b/.." are "/a/".
        if lastIsDots || ends.isEmpty {
            ends.append(bytes.count)
            bytes.append(UInt8(ascii: "/"))
        }
        guard !hasHighBytes || String(validating: bytes, as: UTF8.self) != nil else { return .malformed }
        isSplit = true
        return .split
    }

    /// The whole path, decoded.
    package var path: String { "/" + String(decoding: bytes.dropLast(), as: UTF8.self) }

    /// The segment at a position.
    package subscript(position: Int) -> String { String(decoding: bytes[range(position)], as: UTF8.self) }

    /// The segments from a position on, with the slashes between them.
    package func rest(from position: Int) -> String {
        String(decoding: bytes[range(position).lowerBound..<(bytes.count - 1)], as: UTF8.self)
    }

    /// Calls `body` with the bytes of one segment after the other until it returns false.
    package func forEach(_ body: (UnsafeRawBufferPointer) -> Bool) {
        bytes.withUnsafeBytes { bytes in
            var start = 0
            for end in ends {
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
