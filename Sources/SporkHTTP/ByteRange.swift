// Which parts of something a Range field asks for (RFC 9110, 14). A server may always answer with the whole (14.2), and does where a field would
// make it send more than that: ranges that overlap, or very many of them (CVE-2011-3192). Pure; asked for GET only.

/// The parts of a representation that an answer carries.
package nonisolated enum ByteRange: Equatable {
    /// All of it: no range, one in an unknown unit, a malformed one, too many, or more than the whole has.
    case whole
    /// These bytes.
    case partial(Range<Int>)
    /// Several ranges, at least two, which neither overlap nor touch, in the order in which they were asked for.
    case several([Range<Int>])
    /// All ranges lie behind the end.
    case unsatisfiable

    /// How many ranges a field may have.
    package static var most: Int { 16 }

    /// Reads the field's value for something of `size` bytes.
    package init(_ value: UnsafeRawBufferPointer, size: Int) {
        let unit: StaticString = "bytes"
        let length = unit.utf8CodeUnitCount
        self = .whole
        guard value.count > length, value[length] == UInt8(ascii: "="),
            UnsafeRawBufferPointer(rebasing: value[..<length]).isEqualIgnoringCase(unit)
        else { return }
        let set = UnsafeRawBufferPointer(rebasing: value[(length + 1)...])
        var ranges: [Range<Int>] = []
        var (count, total, isUnfit) = (0, 0, false)
        set.forEachListElement { element in
            count += 1
            if isUnfit || count > Self.most { return }
            switch ByteRange.single(element, size: size) {
            case .partial(let range)?:
                // More than the whole: also of something so long that the sum would not fit.
                isUnfit = range.count > size - total
                if isUnfit { return }
                ranges.append(range)
                total += range.count
            case nil: isUnfit = true
            default: break
            }
        }
        guard (1...Self.most).contains(count), !isUnfit else { return }
        ranges = Self.coalesced(ranges)
        self = ranges.isEmpty ? .unsatisfiable : ranges.count == 1 ? .partial(ranges[0]) : .several(ranges)
    }

    /// The same with those put together that overlap or touch (RFC 9110, 15.3.7.2).
    private static func coalesced(_ ranges: [Range<Int>]) -> [Range<Int>] {
        var result: [Range<Int>] = []
        for range in ranges {
            var range = range
            var place = result.count
            // What it grows by may reach those that it did not reach before.
            while let index = result.firstIndex(where: {
                $0.lowerBound <= range.upperBound && range.lowerBound <= $0.upperBound
            }) {
                let other = result.remove(at: index)
                range = min(range.lowerBound, other.lowerBound)..<max(range.upperBound, other.upperBound)
                place = min(place, index)
            }
            result.insert(range, at: min(place, result.count))
        }
        return result
    }

    /// One range; nil when it is malformed.
    private static func single(_ text: UnsafeRawBufferPointer, size: Int) -> ByteRange? {
        guard let dash = text.firstIndex(of: UInt8(ascii: "-")) else { return nil }
        let first = UnsafeRawBufferPointer(rebasing: text[..<dash])
        let last = UnsafeRawBufferPointer(rebasing: text[(dash + 1)...])
        guard let lastNumber = saturating(last), let firstNumber = saturating(first) else { return nil }
        switch (firstNumber, lastNumber) {
        case (nil, nil):
            return nil
        case (nil, let suffix?):
            return suffix == 0 || size == 0 ? .unsatisfiable : .partial(max(0, size - suffix)..<size)
        case (let start?, nil):
            return start >= size ? .unsatisfiable : .partial(start..<size)
        case (let start?, let end?):
            guard start <= end else { return nil }
            return start >= size ? .unsatisfiable : .partial(start..<(min(end, size - 1) + 1))
        }
    }

    /// A number, the largest one for more digits than fit; an inner nil for no digits, an outer one for anything else.
    private static func saturating(_ text: UnsafeRawBufferPointer) -> Int?? {
        if text.isEmpty { return .some(nil) }
        guard text.allSatisfy(\.isDigit) else { return nil }
        return .some(text.decimal ?? .max)
    }
}
