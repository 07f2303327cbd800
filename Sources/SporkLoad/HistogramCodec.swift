// Reads histograms from the text that every HdrHistogram library writes, and HistogramExport.swift: base64 of the V2 encoding,
// compressed by zlib. Pure. Nothing is lost between histograms of the same geometry, so results can be merged and compared exactly.
import Histogram

/// Reads histograms of nanoseconds.
public enum HistogramCodec {
    /// A text that is no such histogram.
    public struct Failure: Error, CustomStringConvertible {
        /// One line.
        public var description: String { "not a V2-compressed histogram in base64" }
    }

    private static let plainCookie: UInt32 = 0x1C84_9313
    private static let compressedCookie: UInt32 = 0x1C84_9314
    private static let headerSize = 40
    /// No histogram of three digits needs more.
    private static let mostBytes = 1 << 24
    /// Who goes through a histogram adds up its counts and all of its values, in 64 bits.
    private static let mostCounts = 1 << 53
    static let mostNanoseconds = 1.8e19

    /// The histogram of a text; values that are too large for this program's are put into the last place.
    public static func histogram(of text: String) throws(Failure) -> Histogram<UInt64> {
        guard let bytes = Base64.bytes(of: text), bytes.count > 8, word(bytes, 0) & ~0xF0 == compressedCookie & ~0xF0,
            Int(word(bytes, 4)) == bytes.count - 8,
            let plain = try? Inflate.bytes(of: bytes[8...], limit: mostBytes), plain.count >= headerSize,
            word(plain, 0) & ~0xF0 == plainCookie & ~0xF0, Int(word(plain, 4)) == plain.count - headerSize,
            word(plain, 8) == 0, (1...5).contains(word(plain, 12))
        else { throw Failure() }
        let lowest = UInt64(word(plain, 16)) << 32 | UInt64(word(plain, 20))
        guard (1...1 << 40).contains(lowest) else { throw Failure() }
        let geometry = Geometry(digits: Int(word(plain, 12)), lowest: lowest)
        var histogram = LoadTally.emptyHistogram
        var (index, position) = (0, headerSize)
        var (counts, nanoseconds) = (0, 0.0)
        while position < plain.count {
            guard let count = number(in: plain, &position) else { throw Failure() }
            if count < 0 {
                guard count > -Int64(mostBytes) else { throw Failure() }
                index += Int(-count)
                guard index < mostBytes else { throw Failure() }
            } else {
                guard let value = geometry.value(at: index) else { throw Failure() }
                guard count <= mostCounts else { throw Failure() }
                counts += Int(count)
                // A little more than any value that is counted in the same place.
                nanoseconds += 1.001 * Double(min(value, 2 * histogram.highestTrackableValue)) * Double(count)
                guard counts <= mostCounts, nanoseconds < mostNanoseconds else { throw Failure() }
                if count > 0, !histogram.record(value, count: UInt64(count)) {
                    histogram.record(histogram.highestTrackableValue, count: UInt64(count))
                }
                index += 1
            }
        }
        return histogram
    }

    /// Where values are counted (HdrHistogram's countsArrayIndex).
    private struct Geometry {
        let unitMagnitude: Int
        let halfMagnitude: Int

        init(digits: Int, lowest: UInt64) {
            var largest = 2
            for _ in 0..<digits { largest *= 10 }
            halfMagnitude = Int.bitWidth - (largest - 1).leadingZeroBitCount - 1
            unitMagnitude = 63 - lowest.leadingZeroBitCount
        }

        /// The middle of what is counted at an index; nil where no value can be.
        func value(at index: Int) -> UInt64? {
            var (bucket, position) = (index >> halfMagnitude - 1, index & (1 << halfMagnitude - 1) + 1 << halfMagnitude)
            if bucket < 0 { (bucket, position) = (0, position - 1 << halfMagnitude) }
            let shift = bucket + unitMagnitude
            guard shift + halfMagnitude < 62 else { return nil }
            return UInt64(position) << UInt64(shift) + (shift > 0 ? UInt64(1) << UInt64(shift - 1) : 0)
        }
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    // Small numbers of either sign in few bytes: ZigZag, then seven bits a byte, and all eight in the ninth.
    private static func number(in bytes: [UInt8], _ position: inout Int) -> Int64? {
        var (value, shift) = (UInt64(0), UInt64(0))
        while position < bytes.count {
            let byte = UInt64(bytes[position])
            position += 1
            if shift == 56 || byte < 0x80 {
                value |= byte << shift
                return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
            }
            value |= (byte & 0x7F) << shift
            shift += 7
        }
        return nil
    }
}
