// Histograms for other tools: the percentile distribution that HdrHistogram's plotter reads (.hgrm), and the V2 encoding, from which
// every implementation of HdrHistogram can make the same histogram again, alone or in a log. Pure.
//
// V2 is a zlib stream (RFC 1950) of counts as ZigZag LEB128, runs of zeros as negative numbers. What is deflated here is stored: the
// format allows it, the counts are short already, and nothing has to be linked for it.
import Histogram

extension Histogram<UInt64> {
    /// The V2 encoding, compressed, in base64: "HISTFAAA…".
    public var encodedText: String { Base64.text(of: encodedCompressed) }

    /// A log with one interval, as HdrHistogram's log format has it, version 1.3.
    ///
    /// - Parameters:
    ///   - start: when the interval began, in seconds since 1970.
    ///   - length: how long it was, in seconds.
    public func log(start: Double, length: Double) -> String {
        let maximum = totalCount > 0 ? Double(max) / 1e9 : 0
        return """
            #[Histogram log format version 1.3]
            #[StartTime: \(LoadText.fixed(start, 3)) (seconds since epoch)]
            "StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
            0.000,\(LoadText.fixed(length, 3)),\(LoadText.fixed(maximum, 3)),\(encodedText)

            """
    }

    /// The percentile distribution in milliseconds, as HdrHistogram's plotter reads it.
    public var distributionText: String {
        var text = ""
        outputPercentileDistribution(to: &text, outputValueUnitScalingRatio: 1e6, percentileTicksPerHalfDistance: 5)
        return text
    }

    // The cookies of V2; the low byte says that words are of one to nine bytes.
    private static var encodedCookie: UInt32 { 0x1C84_9303 | 0x10 }
    private static var compressedCookie: UInt32 { 0x1C84_9304 | 0x10 }

    var encodedCompressed: [UInt8] {
        let stream = Zlib.stored(encoded)
        return Self.bytes(Self.compressedCookie) + Self.bytes(UInt32(stream.count)) + stream
    }

    var encoded: [UInt8] {
        var counts: [UInt8] = []
        var next = 0
        for value in recordedValues() where value.count > 0 {
            let index = countsIndex(of: value.value)
            if index > next { Self.append(-Int64(index - next), to: &counts) }
            Self.append(Int64(value.count), to: &counts)
            next = index + 1
        }
        let (cookie, length) = (Self.bytes(Self.encodedCookie), Self.bytes(UInt32(counts.count)))
        let digits = Self.bytes(UInt32(numberOfSignificantValueDigits.rawValue))
        let range = Self.bytes(lowestDiscernibleValue) + Self.bytes(highestTrackableValue)
        return cookie + length + Self.bytes(UInt32(0)) + digits + range + Self.bytes((1.0).bitPattern) + counts
    }

    /// Where a value is counted: the layout that all implementations share, for a lowest value of 1.
    func countsIndex(of value: UInt64) -> Int {
        // The smallest power of two that has room for the digits: 2048 for three.
        let wanted = 2 * (0..<Int(numberOfSignificantValueDigits.rawValue)).reduce(1) { power, _ in power * 10 }
        let magnitude = Int.bitWidth - (wanted - 1).leadingZeroBitCount
        let bucket = UInt64.bitWidth - (value | (1 << magnitude - 1)).leadingZeroBitCount - magnitude
        let half = 1 << (magnitude - 1)
        return (bucket + 1) * half + Int(value >> UInt64(bucket)) - half
    }

    // At most nine bytes, the last of which has eight bits.
    private static func append(_ number: Int64, to bytes: inout [UInt8]) {
        var rest = UInt64(bitPattern: (number << 1) ^ (number >> 63))
        for _ in 0..<8 {
            guard rest >= 0x80 else { break }
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    private static func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }
}

/// Bytes as a zlib stream that stores them.
nonisolated enum Zlib {
    static func stored(_ bytes: [UInt8]) -> [UInt8] {
        // Deflate with a window of 32 KiB, and a check of the header's own.
        var stream: [UInt8] = [0x78, 0x01]
        var rest = bytes[...]
        repeat {
            let part = rest.prefix(65_535)
            rest = rest.dropFirst(part.count)
            let length = UInt16(part.count)
            stream.append(rest.isEmpty ? 1 : 0)
            for number in [length, ~length] { stream += [UInt8(number & 0xFF), UInt8(number >> 8)] }
            stream += part
        } while !rest.isEmpty
        return stream + withUnsafeBytes(of: adler(bytes).bigEndian) { Array($0) }
    }

    /// Adler-32 (RFC 1950, 8.2).
    static func adler(_ bytes: [UInt8]) -> UInt32 {
        var (low, high): (UInt32, UInt32) = (1, 0)
        for byte in bytes {
            low = (low + UInt32(byte)) % 65_521
            high = (high + low) % 65_521
        }
        return high << 16 | low
    }
}
