// Histograms for other tools. That other implementations read them is tested from outside (test_bench_engine.py), with Python's.
import Histogram
import Testing

@testable import SporkLoad

@Suite struct HistogramExportTests {
    @Test("base64 and Adler-32 by their documents' examples")
    func encodings() {
        let examples = [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ]
        for (text, encoded) in examples { #expect(Base64.text(of: Array(text.utf8)) == encoded) }
        #expect(Zlib.adler(Array("Wikipedia".utf8)) == 0x11E6_0398)
        #expect(Zlib.stored([]) == [0x78, 1, 1, 0, 0, 0xFF, 0xFF, 0, 0, 0, 1])
        #expect(Zlib.stored([UInt8](repeating: 7, count: 70_000)).count == 70_000 + 2 + 10 + 4)
    }

    @Test("values are counted where every implementation counts them: each value's neighbours in order, none twice")
    func layout() {
        let histogram = LoadTally.emptyHistogram
        #expect(histogram.countsIndex(of: 0) == 0 && histogram.countsIndex(of: 2047) == 2047)
        #expect(histogram.countsIndex(of: 2048) == 2048 && histogram.countsIndex(of: 2049) == 2048)
        #expect(histogram.countsIndex(of: 4095) == 3071 && histogram.countsIndex(of: 4096) == 3072)
        var value: UInt64 = 0
        var index = 0
        while value < 1 << 41 {
            #expect(histogram.countsIndex(of: value) == index)
            (value, index) = (histogram.nextNonEquivalentForValue(value), index + 1)
        }
    }

    @Test("an empty histogram, and one of a few values, byte by byte")
    func bytes() {
        var histogram = LoadTally.emptyHistogram
        #expect(histogram.encoded.count == 40 && histogram.encoded[..<8] == [0x1C, 0x84, 0x93, 0x13, 0, 0, 0, 0])
        histogram.record(1, count: 3)
        histogram.record(100, count: 200)
        // One index without a count, three, ninety-eight without, two hundred: as ZigZag -1, 3, -98, 200.
        #expect(histogram.encoded[40...] == [1, 6, 0xC3, 1, 0x90, 3])
        #expect(histogram.encodedText.hasPrefix("HISTFAAA"))
    }

    @Test("coarse buckets hold what they say, and percentiles of them are off by a tenth at most")
    func coarse() {
        var latencies = LivePercentiles()
        #expect(latencies.percentile(50) == nil)
        var value: UInt64 = 1
        while value < 1 << 45 {
            let middle = LivePercentiles.value(of: LivePercentiles.bucket(of: value))
            #expect(abs(middle - Double(value)) <= Double(value) * 0.1)
            value += value / 7 + 1
        }
        #expect(LivePercentiles.bucket(of: .max) == LivePercentiles.buckets - 1)
        for value in 1...1000 { latencies.record(UInt64(value) * 1000, count: 1) }
        let tail = latencies.percentile(99) ?? 0
        #expect(abs(tail - 990_000) < 99_000)
    }

    @Test("the live line")
    func liveLine() {
        var total = LoadProgress.Total()
        #expect(LiveLine.text(total, elapsed: nil, of: 10) == "connecting and warming up")
        (total.responses, total.failures) = (1000, 3)
        #expect(LiveLine.text(total, elapsed: 2, of: 10) == "2.0 s  500 requests/s  3 errors  8 s left")
        total.latencies.record(7, count: 1)
        #expect(LiveLine.text(total, elapsed: 2, of: nil) == "2.0 s  500 requests/s  p50 0.01us  p99 0.01us  3 errors")
    }
}
