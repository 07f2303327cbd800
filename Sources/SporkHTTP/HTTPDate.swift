// Dates as HTTP writes them (RFC 9110, 5.6.7): one form out, three forms in. Arithmetic on days, no time zones, no locale.
import Glibc

/// Times in seconds since 1970, as HTTP's text.
public nonisolated enum HTTPDate {
    /// The length of the text.
    public static let length = 29

    /// The times that have a text: 1970 to 9999.
    ///
    /// Files can have others.
    static let writable = 0...253_402_300_799

    /// Writes the text of a time into the first 29 bytes of `buffer`; a time that has none becomes the nearest that does.
    package static func format(_ seconds: Int, into buffer: UnsafeMutableRawBufferPointer) {
        let seconds = min(max(seconds, writable.lowerBound), writable.upperBound)
        let (days, time) = (seconds / 86_400, seconds % 86_400)
        let (year, month, day) = civil(fromDays: days)
        let weekday = (days + 4) % 7
        put(weekdayNames, 3 * weekday, 3, into: buffer, at: 0)
        put(", 00 ", 0, 5, into: buffer, at: 3)
        put(two: day, into: buffer, at: 5)
        put(monthNames, 3 * (month - 1), 3, into: buffer, at: 8)
        put(" 0000 00:00:00 GMT", 0, 18, into: buffer, at: 11)
        put(two: year / 100, into: buffer, at: 12)
        put(two: year % 100, into: buffer, at: 14)
        put(two: time / 3600, into: buffer, at: 17)
        put(two: time / 60 % 60, into: buffer, at: 20)
        put(two: time % 60, into: buffer, at: 23)
    }

    /// The text of a time, such as "Sun, 06 Nov 1994 08:49:37 GMT".
    public static func string(_ seconds: Int) -> String {
        String(unsafeUninitializedCapacity: length) { buffer in
            format(seconds, into: UnsafeMutableRawBufferPointer(buffer))
            return length
        }
    }

    /// Reads any of the three forms.
    ///
    /// - Parameter now: seconds since 1970; a year of two digits that would be more than 50 years after it is meant to
    ///   be in the past.
    /// - Returns: nil for anything else, also for dates that do not exist.
    package static func parse(_ text: UnsafeRawBufferPointer, now: Int) -> Int? {
        var reader = DateReader(text)
        guard let comma = text.firstIndex(of: UInt8(ascii: ",")) else { return reader.asctime() }
        return comma == 3 ? reader.fixdate() : reader.rfc850(now: now)
    }

    static let weekdayNames: StaticString = "SunMonTueWedThuFriSat"
    static let monthNames: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"

    private static func put(
        _ text: StaticString,
        _ start: Int,
        _ count: Int,
        into buffer: UnsafeMutableRawBufferPointer,
        at position: Int
    ) {
        for index in 0..<count { buffer[position + index] = text.utf8Start[start + index] }
    }

    private static func put(two number: Int, into buffer: UnsafeMutableRawBufferPointer, at position: Int) {
        buffer[position] = UInt8(ascii: "0") + UInt8(number / 10)
        buffer[position + 1] = UInt8(ascii: "0") + UInt8(number % 10)
    }

    /// Days since 1970 of a day, by counting from a March, so that leap days come last.
    static func days(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    static func civil(fromDays days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}

/// Reads a date from left to right; whatever does not fit makes the whole nil.
private nonisolated struct DateReader {
    private let text: UnsafeRawBufferPointer
    private var position = 0
    private var isValid = true

    init(_ text: UnsafeRawBufferPointer) { self.text = text }

    /// The form in use: "Sun, 06 Nov 1994 08:49:37 GMT".
    mutating func fixdate() -> Int? {
        let weekday = name(in: HTTPDate.weekdayNames, of: 7)
        skip(", ")
        let day = number(2)
        skip(" ")
        let month = name(in: HTTPDate.monthNames, of: 12) + 1
        skip(" ")
        let year = number(4)
        skip(" ")
        let time = time()
        skip(" GMT")
        return seconds(year, month, day, time, weekday)
    }

    /// The form of RFC 850: "Sunday, 06-Nov-94 08:49:37 GMT".
    mutating func rfc850(now: Int) -> Int? {
        let weekday = name(in: HTTPDate.weekdayNames, of: 7)
        let rests: [StaticString] = ["day", "day", "sday", "nesday", "rsday", "day", "urday"]
        skip(rests[weekday])
        skip(", ")
        let day = number(2)
        skip("-")
        let month = name(in: HTTPDate.monthNames, of: 12) + 1
        skip("-")
        let twoDigits = number(2)
        skip(" ")
        let time = time()
        skip(" GMT")
        let thisYear = HTTPDate.civil(fromDays: now / 86_400).year
        var year = thisYear - thisYear % 100 + twoDigits
        if year > thisYear + 50 { year -= 100 } else if year <= thisYear - 50 { year += 100 }
        return seconds(year, month, day, time, weekday)
    }

    /// The form of asctime: "Sun Nov  6 08:49:37 1994".
    mutating func asctime() -> Int? {
        let weekday = name(in: HTTPDate.weekdayNames, of: 7)
        skip(" ")
        let month = name(in: HTTPDate.monthNames, of: 12) + 1
        skip(" ")
        var day = 0
        if position < text.count, text[position] == 0x20 {
            position += 1
            day = number(1)
        } else {
            day = number(2)
        }
        skip(" ")
        let time = time()
        skip(" ")
        let year = number(4)
        return seconds(year, month, day, time, weekday)
    }

    private mutating func time() -> Int {
        let hour = number(2)
        skip(":")
        let minute = number(2)
        skip(":")
        let second = number(2)
        // 60 is a leap second, which no count of seconds has.
        if hour > 23 || minute > 59 || second > 60 { isValid = false }
        return hour * 3600 + minute * 60 + min(second, 59)
    }

    private mutating func number(_ digits: Int) -> Int {
        var number = 0
        for _ in 0..<digits {
            guard position < text.count, text[position].isDigit else {
                isValid = false
                return 0
            }
            number = number * 10 + Int(text[position] - UInt8(ascii: "0"))
            position += 1
        }
        return number
    }

    private mutating func name(in names: StaticString, of count: Int) -> Int {
        for index in 0..<count where position + 3 <= text.count {
            let name = UnsafeRawPointer(names.utf8Start + 3 * index)
            if let base = text.baseAddress, memcmp(base + position, name, 3) == 0 {
                position += 3
                return index
            }
        }
        isValid = false
        return 0
    }

    private mutating func skip(_ expected: StaticString) {
        let count = expected.utf8CodeUnitCount
        guard position + count <= text.count,
            UnsafeRawBufferPointer(rebasing: text[position..<(position + count)]).isEqual(expected)
        else {
            isValid = false
            return
        }
        position += count
    }

    private func seconds(_ year: Int, _ month: Int, _ day: Int, _ time: Int, _ weekday: Int) -> Int? {
        guard isValid, position == text.count, year >= 1970, day >= 1 else { return nil }
        let days = HTTPDate.days(year: year, month: month, day: day)
        // A day that the month does not have comes back as one of the next month; the weekday has to fit, too.
        guard HTTPDate.civil(fromDays: days) == (year, month, day), (days + 4) % 7 == weekday else { return nil }
        return days * 86_400 + time
    }
}
