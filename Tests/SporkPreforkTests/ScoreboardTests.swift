// The scoreboard's memory: rows, totals that never go backwards, texts of requests; and the rule for shares of connections.
import CSporkShims
import Glibc
import SporkPrefork
import Testing

@Suite struct ScoreboardTests {
    private func text(_ text: String, _ body: (UnsafeRawBufferPointer) -> Int) -> Int {
        var text = text
        return text.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    }

    @Test("a row says who it is, and is empty after its process has ended")
    func rows() throws {
        let board = try Scoreboard()
        #expect(board.rows.isEmpty)
        board.prepare(2, slot: 3, generation: 7)
        board.row(2).setProcess(4711)
        #expect(board.rows.map(\.index) == [2])
        let row = board.row(2)
        #expect((row.slot, row.generation, row.pid) == (3, 7, 4711))
        #expect(row.state == .booting)
        row.state = .ready
        #expect(board.row(2).state == .ready)
        board.fold(2)
        #expect(board.rows.isEmpty)
        #expect(board.usedRows == 0)
    }

    @Test("rows do not share cache lines")
    func alignment() throws {
        let board = try Scoreboard()
        for index in [0, 1, 2, 2047] {
            // Page-aligned start, header of a page, rows of whole lines: the heartbeat is the second word of the second line.
            #expect(UInt(bitPattern: board.row(index).heartbeatWord) % 64 == 8)
        }
    }

    @Test("totals have what the living and the dead have counted, each once")
    func totals() throws {
        let board = try Scoreboard()
        for index in 0..<2 {
            board.prepare(index, slot: index + 1, generation: 1)
            board.row(index).setProcess(Int32(100 + index))
        }
        board.row(0).show(open: 1, accepted: 1)
        for _ in 0..<5 { board.row(0).countRequest() }
        board.row(1).countRequest()
        board.row(1).count(bytesSent: 100)
        let expected = Scoreboard.Counters(accepted: 1, requests: 6, bytesSent: 100)
        #expect(board.totals == expected)
        board.fold(0)
        #expect(board.totals == expected)
        board.prepare(0, slot: 1, generation: 2)
        board.row(0).setProcess(200)
        board.row(0).countRequest()
        #expect(board.totals.requests == 7)
    }

    @Test("what is being answered can be read, cut to its room and harmless to a terminal")
    func requestTexts() throws {
        let board = try Scoreboard()
        board.prepare(0, slot: 1, generation: 1)
        let row = board.row(0)
        let first = text("GET /a") { row.beginRequest($0) }
        let second = text("GET /\u{1B}[31m" + String(repeating: "x", count: 500)) { row.beginRequest($0) }
        #expect(row.requestsInFlight == 2)
        #expect(row.requestTexts.map(\.text).first == "GET /a")
        #expect(row.requestTexts.map(\.text).last?.hasPrefix("GET /?[31mxxx") == true)
        #expect(row.requestTexts.map(\.text.count).last == 112)
        row.endRequest(first)
        #expect(row.requestTexts.count == 1)
        row.endRequest(second)
        #expect(row.requestTexts.isEmpty && row.requestsInFlight == 0)
    }

    @Test("more requests than there is room for are counted, and need no room")
    func manyRequests() throws {
        let board = try Scoreboard()
        board.prepare(0, slot: 1, generation: 1)
        let row = board.row(0)
        let places = (0..<20).map { number in text("GET /\(number)") { row.beginRequest($0) } }
        #expect(row.requestsInFlight == 20)
        #expect(row.requestTexts.count == ScoreboardRow.textCount)
        for place in places { row.endRequest(place) }
        #expect(row.requestsInFlight == 0 && row.requestTexts.isEmpty)
    }

    @Test("another program that maps it reads the same, and refuses what is none")
    func adoption() throws {
        let board = try Scoreboard()
        board.prepare(0, slot: 1, generation: 1)
        board.row(0).setProcess(100)
        board.row(0).countRequest()
        let other = try Scoreboard(adopting: dup(board.descriptor))
        #expect(other.totals.requests == 1)
        other.isStopping = true
        #expect(board.isStopping)
        let stranger = spork_shared_memory(4096)
        #expect(throws: (any Error).self) { _ = try Scoreboard(adopting: stranger) }
        close(stranger)
    }

    @Test("nobody can change its size")
    func sealed() throws {
        let board = try Scoreboard()
        #expect(ftruncate(board.descriptor, 0) == -1)
        #expect(ftruncate(board.descriptor, 1 << 30) == -1)
    }

    @Test("a child that counts is seen by its parent, and its counts stay when it is killed")
    func acrossFork() async {
        await #expect(processExitsWith: .success) {
            let board = try Scoreboard()
            board.prepare(0, slot: 1, generation: 1)
            let child = spork_fork()
            if child == 0 {
                for _ in 0..<1000 { board.row(0).countRequest() }
                board.row(0).state = .ready
                while true { pause() }
            }
            board.row(0).setProcess(child)
            while board.row(0).state != .ready { usleep(1000) }
            kill(child, SIGKILL)
            waitpid(child, nil, 0)
            board.fold(0)
            exit(board.totals.requests == 1000 ? 0 : 1)
        }
    }
}

@Suite struct FairShareTests {
    private func siblings(_ connections: [Int], listening: Bool = true) -> [FairShare.Sibling] {
        connections.map { FairShare.Sibling(connections: $0, isListening: listening) }
    }

    @Test("a few connections are no load, and an even share is none")
    func withinShare() {
        #expect(FairShare.place(with: 2, siblings: siblings([0, 0, 0])) == .same)
        #expect(FairShare.place(with: 50, siblings: siblings([50, 50, 50])) == .same)
        #expect(FairShare.place(with: 49, siblings: siblings([50, 50, 50])) == .same)
        #expect(FairShare.place(with: 500, siblings: siblings([])) == .same)
    }

    @Test("more than the share is a reason to let others go first, far more to stand aside, if one with less listens")
    func aboveShare() {
        #expect(FairShare.place(with: 55, siblings: siblings([49, 49, 49])) == .last)
        #expect(FairShare.place(with: 4, siblings: siblings([0, 0, 0])) == .aside)
        #expect(FairShare.place(with: 62, siblings: siblings([49, 49, 49])) == .aside)
        #expect(FairShare.place(with: 55, siblings: siblings([49, 49, 49], listening: false)) == .same)
        #expect(FairShare.place(with: 62, siblings: siblings([49, 49, 49], listening: false)) == .alone)
    }

    @Test("dealt out one by one to the first in line, connections are shared within a quarter of the mean")
    func sharing() {
        var counts = [Int](repeating: 0, count: 8)
        // In the order in which the kernel asks them.
        var line = Array(counts.indices)
        for _ in 0..<400 {
            let taker = line.removeFirst()
            counts[taker] += 1
            let others = line.map { FairShare.Sibling(connections: counts[$0], isListening: true) }
            // Standing aside for a moment ends at the end of the line.
            let stays = FairShare.place(with: counts[taker], siblings: others) == .same
            line.insert(taker, at: stays ? 0 : line.count)
        }
        #expect(Double(counts.max() ?? 0) / 50 <= 1.25)
    }
}
