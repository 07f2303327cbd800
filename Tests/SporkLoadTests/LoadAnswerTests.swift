// Answers that are looked at: compared in pieces cut anywhere, numbered, and accounted for. Pure.
import SporkHTTP
import Testing

@testable import SporkLoad

@Suite struct LoadAnswerTests {
    private static func check(
        _ check: inout LoadAnswerCheck,
        _ content: String,
        status: Int = 200,
        cutAt cut: Int = 0
    ) -> LoadMismatch? {
        let bytes = Array(content.utf8)
        check.begin(url: 0)
        for piece in [bytes[..<min(cut, bytes.count)], bytes[min(cut, bytes.count)...]] where !piece.isEmpty {
            piece.withUnsafeBytes { check.take($0) }
        }
        return check.end(status: status)
    }

    @Test("content is compared wherever it is cut, and the first difference is shown")
    func content() {
        var expectation = LoadExpectation()
        expectation.content = .exactly(Array("hello, world".utf8))
        var check = LoadAnswerCheck(LoadAnswers(expectation, urls: 1))
        for cut in 0...12 {
            #expect(Self.check(&check, "hello, world", cutAt: cut) == nil)
            #expect(Self.check(&check, "hello, World", cutAt: cut)?.offset == 7)
            #expect(Self.check(&check, "jello, world", cutAt: cut)?.offset == 0)
            #expect(Self.check(&check, "hello, worlds", cutAt: cut)?.text == "13 bytes instead of 12")
            #expect(Self.check(&check, "hello", cutAt: cut)?.text == "5 bytes instead of 12")
            #expect(Self.check(&check, "", cutAt: cut)?.text == "0 bytes instead of 12")
        }
        #expect(Self.check(&check, "hello, World")?.text == "byte 7: \"hello, World\" instead of \"hello, world\"")
    }

    @Test("the first answer is what the others are compared with, its status too")
    func first() {
        var expectation = LoadExpectation()
        expectation.content = .asFirst
        let answers = LoadAnswers(expectation, urls: 1)
        var (one, other) = (LoadAnswerCheck(answers), LoadAnswerCheck(answers))
        #expect(Self.check(&one, "abc") == nil)
        #expect(Self.check(&other, "abc", cutAt: 1) == nil)
        #expect(Self.check(&other, "abd")?.offset == 2)
        #expect(Self.check(&one, "abc", status: 404)?.text == "status 404, the first answer's was 200")
    }

    @Test("an answer that was begun before the first one was complete is compared with it all the same")
    func concurrent() {
        var expectation = LoadExpectation()
        expectation.content = .asFirst
        let answers = LoadAnswers(expectation, urls: 1)
        var (one, other) = (LoadAnswerCheck(answers), LoadAnswerCheck(answers))
        other.begin(url: 0)
        Self.take(&other, "abX")
        one.begin(url: 0)
        Self.take(&one, "abc")
        #expect(one.end(status: 200) == nil)
        // The first one that began is the one whose content was kept; it was not the first one that was complete.
        #expect(other.end(status: 200)?.text == "3 bytes as in the first answer, but others: their hashes differ")
        #expect(Self.check(&other, "abX")?.offset == -1 && Self.check(&other, "abc") == nil)
        #expect(Self.check(&one, "abX")?.offset == 2)
    }

    private static func take(_ check: inout LoadAnswerCheck, _ content: String) {
        Array(content.utf8).withUnsafeBytes { check.take($0) }
    }

    @Test(
        "what has no room is compared by its length and hash, wherever it is cut, and the room is that of all URLs",
        arguments: 0...10
    )
    func limited(cut: Int) {
        var expectation = LoadExpectation()
        (expectation.content, expectation.mostKept) = (.asFirst, 6)
        let answers = LoadAnswers(expectation, urls: 2)
        var check = LoadAnswerCheck(answers)
        #expect(Self.check(&check, "0123", cutAt: cut) == nil && answers.room == 2)
        for (content, offset) in [("0123456789", nil), ("01234X6789", -1), ("0X23456789", 1), ("012345678", 9)] {
            check.begin(url: 1)
            Self.take(&check, String(content.prefix(cut)))
            Self.take(&check, String(content.dropFirst(cut)))
            #expect(check.end(status: 200)?.offset == offset, "\(content)")
            #expect(answers.room == 0)
        }
        #expect(Self.check(&check, "01X3", cutAt: cut)?.offset == 2)
    }

    @Test("an answer that fails, or is not what was expected, gives its room back")
    func abandoned() throws {
        var expectation = LoadExpectation()
        (expectation.content, expectation.mostKept) = (.asFirst, 6)
        expectation.statuses = try #require(LoadExpectation.statuses("200"))
        let answers = LoadAnswers(expectation, urls: 1)
        var check = LoadAnswerCheck(answers)
        check.begin(url: 0)
        Self.take(&check, "half")
        #expect(answers.room == 2)
        #expect(Self.check(&check, "error", status: 500)?.text == "status 500 instead of 200")
        #expect(Self.check(&check, "right") == nil && answers.room == 1)
        #expect(Self.check(&check, "wrong")?.offset == 0 && answers.room == 1)
    }

    @Test("statuses")
    func statuses() throws {
        var expectation = LoadExpectation()
        expectation.statuses = try #require(LoadExpectation.statuses("200,3xx"))
        var check = LoadAnswerCheck(LoadAnswers(expectation, urls: 1))
        #expect(Self.check(&check, "x") == nil && Self.check(&check, "x", status: 302) == nil)
        #expect(Self.check(&check, "x", status: 404)?.text == "status 404 instead of 200 or 3xx")
        for text in ["", "2", "20x", "6xx", "099", "200,", "x", "+20"] {
            #expect(LoadExpectation.statuses(text) == nil)
        }
    }

    @Test("bytes are shown so that people can read them")
    func quoted() {
        #expect(LoadAnswerCheck.quoted([0x41, 0x22, 0x5C, 0x0A, 0x0D, 0x00, 0xFF]) == "\"A\\\"\\\\\\n\\r\\x00\\xff\"")
    }

    @Test("a number is found wherever its bytes are cut, and another one is told")
    func numbers() {
        let text = Array(("x spork-spork-" + LoadNumber.text(42) + " y").utf8)
        for first in 0...text.count {
            for second in first...text.count {
                var search = LoadNumber.Search()
                search.begin(42)
                for piece in [text[..<first], text[first..<second], text[second...]] {
                    piece.withUnsafeBytes { search.take($0) }
                }
                #expect(search.isFound)
                search.begin(43)
                #expect(!search.isFound)
            }
        }
        var search = LoadNumber.Search()
        search.begin(7)
        Array(LoadNumber.text(8).utf8).withUnsafeBytes { search.take($0) }
        #expect(!search.isFound && search.other == "spork-000000000008")
    }

    @Test("numbers are written over templates")
    func templates() {
        var bytes = Array("a \(LoadNumber.template) b \(LoadNumber.template)".utf8)
        let places = LoadNumber.places(in: bytes)
        #expect(places == [2, 23])
        bytes.withUnsafeMutableBytes { for place in places { LoadNumber.write(123_456, to: $0[place...]) } }
        #expect(String(decoding: bytes, as: UTF8.self) == "a spork-000000123456 b spork-000000123456")
    }

    @Test("every number ends once; what ends twice or never is told")
    func ledger() {
        var ledger = LoadLedger()
        #expect(ledger.begin(2) == 0 && ledger.begin(4) == 2)
        let endings: [LoadLedger.Ending] = [.right, .wrong, .failed(.idleClose), .unanswered, .unsent]
        for (number, ending) in endings.enumerated() { ledger.end(number, ending) }
        #expect(ledger.totals.open == 1 && !ledger.totals.isBalanced)
        ledger.end(5, .right)
        #expect(
            ledger.totals.isBalanced && ledger.totals.count(.right) == 2
                && ledger.totals.count(.failed(.idleClose)) == 1
        )
        ledger.end(5, .wrong)
        #expect(ledger.totals.twice == 1 && !ledger.totals.isBalanced && ledger.totals.count(.wrong) == 1)
        for (index, ending) in LoadLedger.Ending.all.enumerated() { #expect(ending.index == index) }
    }

    @Test("failures are counted by phase and reason, with their first and last moment")
    func incidents() throws {
        var (one, other) = (LoadIncidents(), LoadIncidents())
        one.add(.head, .timedOut, count: 2, at: 50)
        one.add(.connect, .system(111), count: 1, at: 10)
        other.add(.head, .timedOut, count: 1, at: 40)
        other.add(.head, .ended, count: 5, at: 90)
        one.add(other)
        let entries = one.entries
        #expect(entries.map(\.phase) == [.connect, .head, .head] && entries.map(\.count) == [1, 5, 3])
        #expect(entries[2].first == 40 && entries[2].last == 50 && entries[0].reason.name == "ECONNREFUSED")
        #expect(try #require(LoadIncidents(encoded: one.encoded[...])).entries == entries)
        #expect(LoadIncidents(encoded: one.encoded.dropLast()) == nil)
        one.add(.tls, .refused, count: 1, at: 60)
        one.keep(refusal: "unknown")
        one.keep(refusal: "another")
        var tally = LoadTally()
        tally.incidents = one
        let received = try #require(LoadTally(encoded: tally.encoded)).incidents
        #expect(received == one && received.lines[1] == "    tls: tls (TLS refused to go on: unknown) 1, at 0.000 s")
    }
}
