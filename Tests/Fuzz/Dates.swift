// Dates against the C library's: what is written, and that what is read is what would be written for it.
import Glibc
import SporkHTTP

func checkDates(_ input: FuzzInput) {
    var input = input
    let seconds = input.number()
    let now = Int(UInt(bitPattern: input.number()) % 253_402_300_800)
    checkWritten(seconds)
    checkWritten(now)
    let bytes = input.bytes
    guard let read = withExactBytes(bytes, { HTTPDate.parse($0, now: now) }) else { return }
    require((0...253_402_300_799).contains(read), "\(text(bytes)) is \(read)")
    // A leap second counts as the one before.
    let written = text(bytes)
    let plain = written.contains(":60") ? written.replacing(":60", with: ":59") : written
    let forms = [
        "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y", "%a %b %d %H:%M:%S %Y",
    ]
    guard let form = forms.first(where: { formatted(read, $0) == plain }) else {
        return require(false, "\(written) is \(formatted(read, forms[0]))")
    }
    if form == forms[1] {
        let (year, thisYear) = (yearOf(read), yearOf(now))
        require(year - thisYear <= 50 && thisYear - year < 100, "\(written) read in \(thisYear) is in \(year)")
    }
}

private func checkWritten(_ seconds: Int) {
    let written = HTTPDate.string(seconds)
    let nearest = min(max(seconds, 0), 253_402_300_799)
    require(written == formatted(nearest, "%a, %d %b %Y %H:%M:%S GMT"), "\(seconds) is \(written)")
    require(withExactBytes(Array(written.utf8)) { HTTPDate.parse($0, now: 0) } == nearest, "\(written) cannot be read")
}

private func formatted(_ seconds: Int, _ form: String) -> String {
    var (time, fields) = (time_t(seconds), tm())
    gmtime_r(&time, &fields)
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { room in
        strftime(room.baseAddress.unsafelyUnwrapped, 64, form, &fields)
        return String(cString: room.baseAddress.unsafelyUnwrapped)
    }
}

private func yearOf(_ seconds: Int) -> Int {
    var (time, fields) = (time_t(seconds), tm())
    gmtime_r(&time, &fields)
    return Int(fields.tm_year) + 1900
}
