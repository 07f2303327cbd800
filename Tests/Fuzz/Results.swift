// Results of earlier runs, which may come from anybody: JSON, and the histograms in it as text, compressed. Nothing in them stops the program, and
// what is read and written again is the same.
import Histogram
import SporkLoad

func checkJSON(_ input: FuzzInput) {
    let given = text(input.bytes)
    do throws(JSONReader.Failure) {
        let value = try JSONReader.value(of: given)
        guard let again = try? JSONReader.value(of: value.text), let third = try? JSONReader.value(of: again.text)
        else { return require(false, "\(given) is written as \(value.text), which is refused") }
        require(isSame(value, again), "\(given) is written as \(value.text)")
        require(isSame(again, third), "\(value.text) is written as \(again.text)")
    } catch { require((0...given.utf8.count).contains(error.offset), "\(error) of \(given.utf8.count) bytes") }
}

/// Whether two values are one but for the digits that are not written.
private func isSame(_ left: JSONValue, _ right: JSONValue) -> Bool {
    switch (left, right) {
    case (.number(let left), .number(let right)): abs(left - right) <= 0.0005001 + abs(left) * 1e-12
    case (.array(let left), .array(let right)): left.elementsEqual(right, by: isSame)
    case (.object(let left), .object(let right)):
        left.elementsEqual(right) { Array($0.name.utf8) == Array($1.name.utf8) && isSame($0.value, $1.value) }
    case (.string(let left), .string(let right)): Array(left.utf8) == Array(right.utf8)
    default: left == right
    }
}

func checkHistograms(_ input: FuzzInput) {
    var input = input
    let kind = input.choice(below: 3)
    let bytes = input.bytes
    var given = text(bytes)
    // With what stands before it, compressed by somebody else or not at all.
    if kind == 1 { given = encoded(compressed: [0x78, 0x01] + bytes) }
    if kind == 2 {
        let fields = [0x1C84_9313, bytes.count, 0, 3, 0, 1, 0, 1 << 30, 0, 0]
        given = encoded(compressed: stored(fields.flatMap(bigEndian) + bytes))
    }
    guard let histogram = try? HistogramCodec.histogram(of: given) else { return }
    let written = histogram.encodedText
    guard let again = try? HistogramCodec.histogram(of: written) else { return require(false, "\(written) is none") }
    // The largest is known exactly only to the one that saw it.
    let isSame = histogram.valuesAreEquivalent(again.valueAtPercentile(90), histogram.valueAtPercentile(90))
    require(again.totalCount == histogram.totalCount && isSame, "\(given) has changed")
}

private func bigEndian(_ number: Int) -> [UInt8] { (0..<4).map { UInt8(number >> (24 - 8 * $0) & 255) } }

private func encoded(compressed: [UInt8]) -> String {
    text(base64([0x1C84_9314, compressed.count].flatMap(bigEndian) + compressed))
}

/// A zlib stream of one block that is not compressed (RFC 1950, RFC 1951, 3.2.4).
private func stored(_ bytes: [UInt8]) -> [UInt8] {
    let length = [UInt8(bytes.count & 255), UInt8(bytes.count >> 8 & 255)]
    var (low, high) = (1, 0)
    for byte in bytes {
        low = (low + Int(byte)) % 65_521
        high = (high + low) % 65_521
    }
    return [0x78, 0x01, 1] + length + length.map { ~$0 } + bytes + bigEndian(high << 16 | low)
}
