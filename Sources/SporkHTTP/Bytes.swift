// Questions about bytes that every parser on this floor asks. Small, branch-poor, without tables: a lazy global would cost
// a check on each use.
import Glibc

extension UnsafeRawBufferPointer {
    /// Whether these are exactly the bytes of `text`.
    package nonisolated func isEqual(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount
            && memcmp(baseAddress ?? UnsafeRawPointer(text.utf8Start), text.utf8Start, count) == 0
    }

    /// Whether these are the bytes of `text`, which is in lower case, in any case.
    ///
    /// Exact for what can stand in a token: only a letter becomes a letter, and only "-" becomes "-", by setting bit 5.
    package nonisolated func isEqualIgnoringCase(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in 0..<count where self[index] | 0x20 != text.utf8Start[index] { return false }
        return true
    }

    /// Whether these are the bytes of `text`, in upper or lower case.
    package nonisolated func isSameToken(as text: String) -> Bool {
        guard count == text.utf8.count else { return false }
        var index = 0
        for byte in text.utf8 {
            guard self[index].inLowerCase == byte.inLowerCase else { return false }
            index += 1
        }
        return true
    }

    /// These bytes without spaces and tabs at both ends (RFC 9110, 5.6.3).
    package nonisolated var trimmed: UnsafeRawBufferPointer {
        var (start, end) = (0, count)
        while start < end, self[start].isBlank { start += 1 }
        while end > start, self[end - 1].isBlank { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: self[start..<end])
    }

    /// Calls `body` with each element of a comma-separated list, trimmed, empty ones left out (RFC 9110, 5.6.1).
    package nonisolated func forEachListElement(_ body: (UnsafeRawBufferPointer) -> Void) {
        var start = 0
        while start <= count {
            let end = self[start...].firstIndex(of: UInt8(ascii: ",")) ?? count
            let element = UnsafeRawBufferPointer(rebasing: self[start..<end]).trimmed
            if !element.isEmpty { body(element) }
            start = end + 1
        }
    }

    /// How long the quoted string is that these bytes begin with, quotes included; nil when there is none (RFC 9110, 5.6.4).
    package nonisolated var quotedStringLength: Int? {
        guard first == UInt8(ascii: "\"") else { return nil }
        var position = 1
        while position < count {
            switch self[position] {
            case UInt8(ascii: "\""): return position + 1
            case UInt8(ascii: "\\"):
                position += 1
                guard position < count, !self[position].isControl else { return nil }
            case let byte where byte.isControl: return nil
            default: break
            }
            position += 1
        }
        return nil
    }

    /// The number that these digits are; nil for anything else, for nothing, and for more than an Int holds.
    package nonisolated var decimal: Int? {
        guard !isEmpty else { return nil }
        var number = 0
        for byte in self {
            guard byte.isDigit else { return nil }
            let (product, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(byte &- UInt8(ascii: "0")))
            if overflow || carry { return nil }
            number = sum
        }
        return number
    }
}

extension UInt8 {
    package nonisolated var isBlank: Bool { self == 0x20 || self == 0x09 }

    package nonisolated var isDigit: Bool { self &- UInt8(ascii: "0") < 10 }

    package nonisolated var isHexadecimal: Bool { isDigit || (self | 0x20) &- UInt8(ascii: "a") < 6 }

    /// The number that this hexadecimal digit stands for.
    package nonisolated var hexadecimalValue: UInt8 {
        isDigit ? self &- UInt8(ascii: "0") : (self | 0x20) &- UInt8(ascii: "a") &+ 10
    }

    /// Whether this may stand in a token (RFC 9110, 5.6.2): letters, digits and ! # $ % & ' * + - . ^ _ ` | ~
    package nonisolated var isTokenCharacter: Bool {
        let low: UInt64 = 0x03FF_6CFA_0000_0000
        let high: UInt64 = 0x57FF_FFFF_C7FF_FFFE
        return self < 0x80 && (self < 0x40 ? low : high) >> (self & 0x3F) & 1 == 1
    }

    /// Whether this is a control character other than a tab, which no field value may contain (RFC 9110, 5.5).
    package nonisolated var isControl: Bool { (self < 0x20 && self != 0x09) || self == 0x7F }
}
