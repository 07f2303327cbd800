// Which part of something a Range field asks for (RFC 9110, 14). One range is served; several are answered with the whole,
// which a server may always do (14.2). Pure; the file service asks it for GET only.

/// The part of a representation that an answer carries.
package nonisolated enum ByteRange: Equatable {
    /// All of it: no range, one in an unknown unit, a malformed one, or several.
    case whole
    /// These bytes.
    case partial(Range<Int>)
    /// The range lies behind the end.
    case unsatisfiable

    /// Reads the field's value for something of `size` bytes.
    package init(_ value: UnsafeRawBufferPointer, size: Int) {
        let unit: StaticString = "bytes"
        let length = unit.utf8CodeUnitCount
        self = .whole
        guard value.count > length, value[length] == UInt8(ascii: "="),
            UnsafeRawBufferPointer(rebasing: value[..<length]).isEqualIgnoringCase(unit)
        else { return }
        let set = UnsafeRawBufferPointer(rebasing: value[(length + 1)...])
        var range: ByteRange?
        var count = 0
        set.forEachListElement { element in
            count += 1
            range = ByteRange.single(element, size: size)
        }
        if count == 1, let range { self = range }
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
