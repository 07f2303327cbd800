// Results that are read again: JSON, histograms as text, diff and merge. Pure.
import Histogram
import Testing

@testable import SporkLoad

@Suite struct JSONReaderTests {
    @Test(
        "every kind of value",
        arguments: [
            ("null", JSONValue.null), (" true ", .boolean(true)), ("false", .boolean(false)), ("0", .integer(0)),
            ("-12", .integer(-12)), ("1.5e3", .number(1500)), ("-0.25", .number(-0.25)), ("2E-1", .number(0.2)),
            ("\"a\\n\\\"\\u00e9\\ud83c\\udf74\"", .string("a\n\"é🍴")), ("\"ü\"", .string("ü")), ("[]", .array([])),
            ("{}", .object([])), ("[1, [2]]", .array([.integer(1), .array([.integer(2)])])),
            ("{\"b\":1,\"a\":{}}", ["b": .integer(1), "a": .object([])]),
        ] as [(String, JSONValue)]
    )
    func values(text: String, value: JSONValue) throws {
        #expect(try JSONReader.value(of: text) == value)
        #expect(try JSONReader.value(of: value.text) == value)
    }

    @Test(
        "what is no JSON is refused",
        arguments: [
            "", " ", "01", "1.", ".5", "+1", "1e", "nul", "tru e", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":1,}", "{a:1}",
            "'a'",
            "\"a", "\"\\x\"", "\"\\ud83c\"", "\"\\udf74\"", "\"\\u12g4\"", "\"a\nb\"", "1 2", "[", "{\"a\":1", "NaN",
            "1e999", "{\"a\":1,\"a\":2}", String(repeating: "[", count: 100) + String(repeating: "]", count: 100),
        ]
    )
    func failures(text: String) {
        #expect(throws: JSONReader.Failure.self) { try JSONReader.value(of: text) }
    }

    @Test("a failure says where")
    func place() {
        #expect(throws: JSONReader.Failure(reason: "no ':'", offset: 5)) { try JSONReader.value(of: "{\"a\" 1}") }
    }
}

@Suite struct HistogramCodecTests {
    @Test("nothing is lost, whatever the latencies")
    func lossless() throws {
        var random = SplitMix(state: 3)
        for values in [[], [1], [0, 1, 2047, 2048, 2049], [3_600_000_000_000]] as [[UInt64]] {
            var histogram = LoadTally.emptyHistogram
            for value in values { histogram.record(value) }
            #expect(try HistogramCodec.histogram(of: histogram.encodedText) == histogram)
        }
        var histogram = LoadTally.emptyHistogram
        for _ in 0..<5000 {
            histogram.record(random.next() >> (22 + random.next() % 40), count: 1 + random.next() % 300)
        }
        let again = try HistogramCodec.histogram(of: histogram.encodedText)
        #expect(again.totalCount == histogram.totalCount)
        for percentile in [0, 1, 50, 90, 99, 99.9, 100] as [Double] {
            // The largest is known exactly by the one that saw it, by the other as exactly as its place.
            let (first, second) = (histogram.valueAtPercentile(percentile), again.valueAtPercentile(percentile))
            #expect(histogram.valuesAreEquivalent(first, second))
        }
        #expect(again.encodedText == histogram.encodedText)
    }

    @Test("what HdrHistogram's own library for Python has written, compressed with Huffman codes, is read")
    func foreign() throws {
        let text =
            "HISTFAAAALZ4nC2NMQtBYRiFv/f5LrqFbhksSmaLMhgNyqqb32CWwQ8Qm0G6sdyU7SaD1SqKMsokGQwGizvJxCfOcs5zOnUyPS+l"
            + "lArUT/rvYmK1sJyq8uNfWNsoHTs6d+Dl4GkCqDARRpprmjDCG8IYZ02OPE2yxn1hLzw1bfpw0BzBtVqUcM2mhb2TNYjhu9DgItgs"
            + "NDVmgq9pWuYkxlwoM4AiCepm0ZUvDWFlmZcaXpzTRpK3sfABcoooOA=="
        let histogram = try HistogramCodec.histogram(of: text)
        #expect(histogram.totalCount == 175 && histogram.valueAtPercentile(50) == 123519)
        #expect(histogram.valueAtPercentile(99) == 5003804671 && histogram.count(within: 1...1) == 2)
        let middle = text.index(text.startIndex, offsetBy: 100)
        let damaged = text[..<middle] + (text[middle] == "A" ? "B" : "A") + text[text.index(after: middle)...]
        #expect(throws: HistogramCodec.Failure.self) { try HistogramCodec.histogram(of: String(damaged)) }
        #expect(throws: HistogramCodec.Failure.self) { try HistogramCodec.histogram(of: String(text.dropLast(8))) }
        #expect(throws: HistogramCodec.Failure.self) { try HistogramCodec.histogram(of: "nonsense") }
        #expect(throws: HistogramCodec.Failure.self) { try HistogramCodec.histogram(of: "") }
    }

    /// A histogram's text with these counts, as they are encoded.
    static func text(ofCounts counts: [UInt8]) -> String {
        func bytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
        let head = [0x1C84_9313, UInt32(counts.count), 0, 3, 0, 1, 0, 1 << 30, 0, 0].flatMap(bytes)
        let stream = Zlib.stored(head + counts)
        return Base64.text(of: bytes(0x1C84_9314) + bytes(UInt32(stream.count)) + stream)
    }

    @Test("counts and latencies that nobody can add up are refused")
    func tooMany() throws {
        #expect(try HistogramCodec.histogram(of: Self.text(ofCounts: [4])).totalCount == 2)
        // Up to nine bytes with seven bits each: 2^62 - 1 once and five times, 2^54, and 2^48 at some 9 s.
        let most = [0xFE] + [UInt8](repeating: 0xFF, count: 7) + [0x7F]
        let many: [UInt8] = [UInt8](repeating: 0x80, count: 7) + [0x40]
        let late: [UInt8] = [0xFF, 0xFF, 0x02] + [UInt8](repeating: 0x80, count: 7) + [0x01]
        for counts in [most, most + most + most + most + most, many, late] {
            #expect(throws: HistogramCodec.Failure.self) {
                let histogram = try HistogramCodec.histogram(of: Self.text(ofCounts: counts))
                #expect(histogram.totalCount == 0, "it was read")
            }
        }
    }

    @Test("streams that are longer than allowed, or damaged, are refused; long ones have several blocks")
    func streams() throws {
        let bytes = (0..<150_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let stream = Zlib.stored(bytes)
        #expect(try Inflate.bytes(of: stream[...], limit: 150_000) == bytes)
        #expect(throws: Inflate.Failure.self) { try Inflate.bytes(of: stream[...], limit: 149_999) }
        #expect(throws: Inflate.Failure.self) { try Inflate.bytes(of: stream.dropLast(), limit: 150_000) }
        var damaged = stream
        damaged[1000] ^= 1
        #expect(throws: Inflate.Failure.self) { try Inflate.bytes(of: damaged[...], limit: 150_000) }
        #expect(try Inflate.bytes(of: Zlib.stored([])[...], limit: 0) == [])
        // zlib's own, of "aaaaaaaaaa" with a fixed code.
        let fixed: [UInt8] = [0x78, 0x9C, 0x4B, 0x4C, 0x84, 0x01, 0x00, 0x14, 0xE1, 0x03, 0xCB]
        #expect(try Inflate.bytes(of: fixed[...], limit: 10) == [UInt8](repeating: UInt8(ascii: "a"), count: 10))
    }

    @Test("base64", arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")])
    func base64(plain: String, text: String) {
        #expect(Base64.text(of: Array(plain.utf8)) == text)
        #expect(Base64.bytes(of: text) == Array(plain.utf8))
        #expect(Base64.bytes(of: text + "=") == nil)
    }
}

@Suite struct StoredRunTests {
    private static func run(
        _ name: String,
        _ latencies: [UInt64],
        rate: Double = 100,
        errors: Int = 0,
        histogram isThere: Bool = true,
        verdict: String = "VALID"
    ) throws -> StoredRun {
        var histogram = LoadTally.emptyHistogram
        for value in latencies { histogram.record(value) }
        let text = histogram.encodedText
        let json: JSONValue = [
            "url": .string("http://h/"), "requests": .integer(latencies.count), "requests_per_second": .number(rate),
            "connections": .integer(3), "duration_seconds": .number(2),
            "errors": ["connect": .integer(errors), "total": .integer(errors)],
            "latency_microseconds": LoadSummary.microseconds(histogram), "verdict": .string(verdict),
            "latency_histogram": isThere ? .string(text) : .null,
            "server": ["cpu_microseconds_per_request": .number(10)],
        ]
        return try StoredRun(json.text, name: name)
    }

    @Test("a diff finds what is apart, and leaves alone what chance explains")
    func diff() throws {
        let fast = (0..<2000).map { 100_000 + UInt64($0) * 10 }
        let same = (0..<2000).map { 100_005 + UInt64($0) * 10 }
        let slow = fast.prefix(1900) + (1900..<2000).map { 900_000 + UInt64($0) * 100 }
        let equal = LoadDiff(try Self.run("a", fast), try Self.run("b", same))
        #expect(equal.rows.allSatisfy { $0.word == "no detectable difference" || $0.word == "same" })
        let diff = LoadDiff(try Self.run("a", fast), try Self.run("b", Array(slow), rate: 120, errors: 1))
        func word(_ name: String) -> String? { diff.rows.first { $0.name == name }?.word }
        #expect(word("p50") == "no detectable difference" && word("p99") == "worse" && word("rate") == "better")
        #expect(word("errors") == "not comparable" && word("cpu") == "no detectable difference")
        #expect(diff.text.contains("+20.0%  better"))
        let conditions = ["p99>+10%", "rate<-5%", "errors>0%", "p50>+10%"].compactMap { LoadDiff.Condition($0) }
        #expect(conditions.count == 4 && diff.failures(of: conditions).map { $0.prefix(6) } == ["p99>+1", "errors"])
        #expect(equal.failures(of: conditions) == [])
    }

    @Test(
        "conditions are read strictly",
        arguments: ["", "p99", "p99>", "p99>10", "p98>10%", "p99=10%", "p99>+-1%", "p99>x%", "rate<%"]
    )
    func noConditions(text: String) {
        #expect(LoadDiff.Condition(text) == nil)
    }

    @Test("results without histograms are compared by what was printed, and not merged")
    func plain() throws {
        let runs = [
            try Self.run("a", [1000, 2000], histogram: false), try Self.run("b", [1000, 2900], histogram: false),
        ]
        let diff = LoadDiff(runs[0], runs[1])
        #expect(diff.rows.first { $0.name == "p99.9" }?.word == "worse" && diff.rows.allSatisfy { $0.name != "p75" })
        #expect(throws: StoredRun.Failure.self) { try LoadMerge(runs) }
    }

    @Test("what does not fit when it is merged is the most that does, or refused")
    func tooMuchToMerge() throws {
        let text =
            "{\"requests\": \(Int.max), \"requests_per_second\": 1, \"errors\": {\"total\": \(Int.max)}, \"latency_microseconds\": {}, "
        // No latency at all; and 2^21 of an hour each.
        var hours = LoadTally.emptyHistogram
        hours.record(3_600_000_000_000, count: 1 << 21)
        let none = try StoredRun(
            text + "\"latency_histogram\": \"\(LoadTally.emptyHistogram.encodedText)\"}",
            name: "a"
        )
        let long = try StoredRun(text + "\"latency_histogram\": \"\(hours.encodedText)\"}", name: "b")
        #expect(throws: StoredRun.Failure.self) { try LoadMerge([none, none, long]) }
        #expect(throws: StoredRun.Failure.self) { try LoadMerge([long, none, long, long]) }
    }

    @Test("merging adds what adds up, keeps every latency, and the worst verdict")
    func merge() throws {
        let merged = try LoadMerge([
            Self.run("a", [1000, 2000], errors: 1, verdict: "STARVED"), Self.run("b", [3000], rate: 50, errors: 2),
        ])
        #expect(merged.json["requests"] == .integer(3) && merged.json["requests_per_second"] == .number(150))
        #expect(merged.json["errors"]?["total"] == .integer(3) && merged.json["connections"] == .integer(6))
        #expect(merged.json["verdict"] == .string("STARVED"))
        let again = try StoredRun(merged.json.text, name: "merged")
        #expect(again.histogram?.totalCount == 3 && again.histogram?.count(within: 3000...3000) == 1)
        #expect(merged.text.contains("2 runs, 3 requests, 3 errors"))
    }

    @Test("what is no result is refused by name")
    func refused() {
        for text in ["", "[]", "{}", "{\"rows\": []}", "{\"requests\": 1}"] {
            #expect(throws: StoredRun.Failure.self) { try StoredRun(text, name: "x") }
        }
    }
}
