// What the process model reads and writes as text: handovers, requests at the control socket, /proc, the environment, status.
import SporkPrefork
import Testing

@Suite struct TextTests {
    @Test(
        "a handover is read as it was written",
        arguments: [Handover.Purpose.upgrade, .trial, .revert(reason: "it failed: so")]
    )
    func handover(purpose: Handover.Purpose) {
        var supervision = Supervision.Snapshot(slots: [1, 2], generation: 4, lastGeneration: 6, isPaused: true)
        supervision.reloadsAgain = true
        supervision.entries = [
            .init(row: 3, slot: 1, generation: 4, pid: 17, role: .ready),
            .init(row: 5, slot: 2, generation: 4, pid: 18, role: .retiring),
        ]
        var handover = Handover(purpose: purpose, process: 42, supervision: supervision)
        (handover.scoreboard, handover.lifeline, handover.doorbell) = (7, (8, 9), 10)
        (handover.program, handover.control, handover.clients) = (
            11, 12, [.init(descriptor: 13, waitsFor: .upgrade), .init(descriptor: 14, waitsFor: .reload)]
        )
        handover.pidFile = 15
        handover.invocation = Invocation(
            arguments: [Array("spork".utf8), [], Array("two words\n%41".utf8), [0xFF, 0xFE]],
            variables: [Array("NAME=the value\nof two lines".utf8)]
        )
        handover.path = "/usr/local/bin/with spaces/spork"
        handover.listeners = [(3, 0), (4, 2)]
        let read = Handover(text: handover.text)
        #expect(read == handover)
        #expect(read?.purpose == purpose)
        #expect(read?.path == handover.path)
        #expect(read?.supervision == supervision)
        #expect(read?.invocation == handover.invocation)
        #expect(read?.clients == handover.clients)
        #expect(Set(handover.descriptors) == [3, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15])
    }

    @Test(
        "what is no handover is refused",
        arguments: [
            "", "spork handover 2\nprocess 1\nscoreboard 3\n", "spork handover 1\n", "spork handover 1\nprocess 1\n",
            "spork handover 1\nprocess 1\nscoreboard 3\nsomething 5\n",
            "spork handover 1\nprocess 1\nscoreboard 3\nworker 1 2 3 4 dancing\n",
            "spork handover 1\nprocess 1\nscoreboard 3\nargument %4\n",
            "spork handover 1\nprocess 1\nscoreboard 3\nclient 4 dance\n",
            "spork handover 1\nprocess x\nscoreboard 3\n",
        ]
    )
    func noHandover(text: String) { #expect(Handover(text: text) == nil) }

    @Test("requests at the control socket")
    func requests() throws {
        #expect(try ControlRequest(line: "reload") == .reload)
        #expect(try ControlRequest(line: "  upgrade\r") == .upgrade)
        #expect(try ControlRequest(line: "workers 12") == .workers(12))
        #expect(try ControlRequest(line: "status") == .status(asJSON: false))
        #expect(try ControlRequest(line: "status json") == .status(asJSON: true))
        #expect(try ControlRequest(line: "reopen") == .reopenLogs)
        #expect(try ControlRequest(line: "stop") == .stop(fast: false))
        #expect(try ControlRequest(line: "stop fast") == .stop(fast: true))
    }

    @Test(
        "lines that are no requests say why",
        arguments: [
            "", "  ", "reload now", "workers", "workers 0", "workers -1", "workers many", "workers 1 2", "stop slowly",
            "RELOAD",
        ]
    )
    func misunderstood(line: String) {
        #expect(throws: ControlRequest.Misunderstood.self) { _ = try ControlRequest(line: line) }
    }

    @Test("the state and the time of a process, whatever its name")
    func stat() throws {
        let tail = "S 1 1 1 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0 100 200 300"
        let report = try #require(ProcessReport(stat: "17 (sp) or (k) \(tail)"))
        #expect(report.state == "S" && report.processorSeconds == 3 && !report.isStopped)
        #expect(ProcessReport(stat: "17 (x) T 1 1 1 0 -1 4194560 1 2 3 4 250 50 0")?.isStopped == true)
        #expect(ProcessReport(stat: "") == nil)
        #expect(ProcessReport(stat: "17 (x) S 1") == nil)
    }

    @Test("memory, roughly and exactly")
    func memory() {
        #expect(ProcessReport.residentBytes(statm: "5000 300 100 20 0 400 0\n") == 200 * 4096)
        #expect(ProcessReport.residentBytes(statm: "x") == nil)
        let rollup = """
            00400000-7ffe0000 ---p 00000000 00:00 0 [rollup]
            Rss:                2000 kB
            Private_Clean:        10 kB
            Private_Dirty:        30 kB
            Swap:                  0 kB
            """
        #expect(ProcessReport.privateBytes(rollup: rollup) == 40 << 10)
        #expect(ProcessReport.privateBytes(rollup: "Rss: 1 kB\n") == nil)
    }

    @Test("sockets from systemd are taken only when they are meant for this process")
    func systemd() {
        #expect(SystemdSockets.descriptors(listenFDs: "2", listenPID: "42", process: 42) == [3, 4])
        #expect(SystemdSockets.descriptors(listenFDs: "2", listenPID: "43", process: 42) == [])
        #expect(SystemdSockets.descriptors(listenFDs: "2", listenPID: nil, process: 42) == [])
        #expect(SystemdSockets.descriptors(listenFDs: nil, listenPID: "42", process: 42) == [])
        #expect(SystemdSockets.descriptors(listenFDs: "-1", listenPID: "42", process: 42) == [])
        #expect(SystemdSockets.descriptors(listenFDs: "many", listenPID: "42", process: 42) == [])
    }

    @Test("the settings' limits are supervision's")
    func settings() {
        var settings = ServerSettings()
        let standard = Supervision.Limits()
        #expect(settings.limits.graceful == standard.graceful && settings.limits.hang == standard.hang)
        #expect(settings.limits.boot == standard.boot && settings.limits.shutdownDelay == standard.shutdownDelay)
        settings.hangTimeout = nil
        settings.gracefulTimeout = .milliseconds(1500)
        settings.maxAge = .seconds(3600)
        (settings.maxRequests, settings.maxMemory) = (10, 1 << 20)
        #expect(settings.limits.hang == nil && settings.limits.graceful == 1.5 && settings.limits.age == 3600)
        #expect(settings.limits.requests == 10 && settings.limits.memory == 1 << 20)
    }

    @Test("the status as JSON and in words")
    func status() throws {
        let board = try Scoreboard()
        board.prepare(0, slot: 1, generation: 2)
        board.row(0).setProcess(4711)
        board.row(0).state = .ready
        var text = "GET /\"x\\"
        _ = text.withUTF8 { board.row(0).beginRequest(UnsafeRawBufferPointer($0)) }
        board.row(0).countRequest()
        let status = ServerStatus(
            master: 17,
            generation: 2,
            capacity: 1,
            serving: 1,
            upSeconds: 12.5,
            isChanging: false,
            scoreboard: board
        )
        #expect(status.json.contains("\"totals\":{\"accepted\":0,\"requests\":1,\"bytes_sent\":0}"))
        #expect(status.json.contains("\"answering\":[\"GET /\\\"x\\\\\"]"))
        #expect(status.json.hasSuffix("}]}\n") && !status.json.dropLast().contains("\n"))
        #expect(status.text.hasPrefix("master 17, generation 2, 1 of 1 workers serve, up 12 s\n"))
        #expect(status.text.contains("worker 1: pid 4711, generation 2, ready"))
    }
}
