// A request's number as it travels: "spork-000000000042", put into requests and looked for in answers. Pure.
import Glibc

/// Writes numbers into requests and finds them in answers.
enum LoadNumber {
    private static let prefix = Array("spork-".utf8)
    private static let digits = 12
    /// How long it is.
    static let length = prefix.count + digits
    /// What stands in a template where a number goes, as people write it.
    static let placeholder = "{number}"
    /// The same in bytes of the right length.
    static let template = "spork-000000000000"
    /// The field that carries it.
    static let field = "Spork-Request"

    static func text(_ number: Int) -> String { String(decoding: bytes(number), as: UTF8.self) }

    static func bytes(_ number: Int) -> [UInt8] {
        var bytes = Array(template.utf8)
        bytes.withUnsafeMutableBytes { write(number, to: $0[...]) }
        return bytes
    }

    /// Writes the digits of a number over those of a template.
    static func write(_ number: Int, to place: Slice<UnsafeMutableRawBufferPointer>) {
        var rest = number
        for index in (0..<digits).reversed() {
            place.base[place.startIndex + prefix.count + index] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
    }

    /// Where a template's numbers stand.
    static func places(in bytes: [UInt8]) -> [Int] {
        let wanted = Array(template.utf8)
        guard bytes.count >= wanted.count else { return [] }
        return (0...bytes.count - wanted.count).filter { bytes[$0..<$0 + wanted.count].elementsEqual(wanted) }
    }

    /// Looks for a number in bytes that come in pieces.
    struct Search {
        private var wanted: [UInt8] = []
        // The end of the last piece, which may be a number's beginning.
        private var tail: [UInt8] = []
        private(set) var isFound = false
        /// The first other number that was found.
        private(set) var other: String?

        /// Looks for this one from here on.
        mutating func begin(_ number: Int) {
            (wanted, isFound, other) = (LoadNumber.bytes(number), false, nil)
            tail.removeAll(keepingCapacity: true)
        }

        /// Looks at the next piece.
        mutating func take(_ piece: UnsafeRawBufferPointer) {
            guard !isFound, !piece.isEmpty else { return }
            if !tail.isEmpty {
                let seam = tail + piece.prefix(LoadNumber.length - 1)
                seam.withUnsafeBytes { look(in: $0) }
            }
            look(in: piece)
            tail = Array((tail + piece.suffix(LoadNumber.length - 1)).suffix(LoadNumber.length - 1))
        }

        private mutating func look(in bytes: UnsafeRawBufferPointer) {
            guard !isFound else { return }
            if LoadNumber.find(wanted, in: bytes) != nil {
                isFound = true
            } else if other == nil, let offset = LoadNumber.find(prefix, in: bytes),
                offset + LoadNumber.length <= bytes.count
            {
                other = String(decoding: bytes[offset..<offset + LoadNumber.length], as: UTF8.self)
            }
        }
    }

    /// Where bytes begin among others; nil where they are not.
    static func find(_ wanted: [UInt8], in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress, bytes.count >= wanted.count, let first = wanted.first else { return nil }
        var start = 0
        let last = bytes.count - wanted.count
        while start <= last, let found = memchr(base + start, Int32(first), last - start + 1) {
            let offset = UnsafeRawPointer(found) - base
            if memcmp(found, wanted, wanted.count) == 0 { return offset }
            start = offset + 1
        }
        return nil
    }
}
