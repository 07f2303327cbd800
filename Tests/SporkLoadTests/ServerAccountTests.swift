// What is known of a server's processes: texts of /proc, and sums over samples. Pure.
import Testing

@testable import SporkLoad

@Suite struct ProcessSampleTests {
    @Test("a process's line in /proc is read behind its name, which may look like one")
    func stat() throws {
        let text = "42 (a) R 1 (b) S 1 77 77 0 -1 4194560 10 20 0 0 500 60 7 8 20 0 1 0 12345 0"
        let sample = try #require(ProcessSample(pid: 42, stat: text))
        #expect(sample.identity == .init(pid: 42, started: 12345))
        #expect(sample.userTicks == 500 && sample.systemTicks == 60)
        #expect(sample.waitedUserTicks == 7 && sample.waitedSystemTicks == 8)
        #expect(ProcessSample(pid: 42, stat: text.replacingLast("S 1 77", "Z 1 77")) == nil, "a zombie is gone")
        #expect(ProcessSample(pid: 42, stat: "42 (a) S 1") == nil)
        #expect(ProcessSample(pid: 42, stat: "") == nil)
    }

    @Test("memory is the sum of what is private, and shares of the rest; nil when it is not there")
    func rollup() {
        var sample = ProcessSample(pid: 1, started: 1)
        sample.take(rollup: "7f-7f ---p 00 [rollup]\nRss: 900 kB\nPss:   300 kB\n")
        #expect(sample.proportionalMemory == nil)
        sample.take(rollup: "Pss:   300 kB\nPss_Dirty: 9 kB\nPrivate_Clean:  10 kB\nPrivate_Dirty:  20 kB\n")
        #expect(sample.proportionalMemory == 300 << 10 && sample.privateMemory == 30 << 10)
    }

    @Test("children are numbers, and this process's are found")
    func children() throws {
        #expect(ProcessSample.children("12 345 \n".filter { $0 != "\n" }) == [12, 345])
        #expect(ProcessSample.children("") == [])
        let sample = ServerSample(root: 1)
        #expect(sample.processes.allSatisfy { $0.identity.started >= 0 })
    }

    @Test("full queues of the whole machine, by name")
    func queues() {
        let text = "TcpExt: A ListenOverflows B ListenDrops\nTcpExt: 1 20 3 40\nIpExt: X\nIpExt: 9\n"
        #expect(ListenQueues(text: text) == ListenQueues(overflows: 20, drops: 40))
        #expect(ListenQueues(text: "TcpExt: A\nTcpExt: 1\n") == nil)
        #expect(ListenQueues(text: "") == nil)
        #expect(ListenQueues.now != nil)
    }
}

@Suite struct ServerAccountTests {
    private static func process(
        _ pid: Int32,
        ran: Int?,
        user: Int = 0,
        system: Int = 0,
        waited: Int = 0,
        parent: Bool = false,
        memory: Int? = nil
    ) -> ProcessSample {
        var sample = ProcessSample(pid: pid, started: 5)
        (sample.runNanoseconds, sample.userTicks, sample.systemTicks) = (ran, user, system)
        (sample.waitedUserTicks, sample.isParent) = (waited, parent)
        (sample.proportionalMemory, sample.privateMemory) = (memory, memory)
        return sample
    }

    @Test("what was used before the first look does not count; user and system are split by ticks")
    func differences() {
        var account = ServerAccount()
        account.add(ServerSample([Self.process(1, ran: 1_000_000_000, user: 50, system: 40, parent: true, memory: 10)]))
        account.add(ServerSample([Self.process(1, ran: 1_400_000_000, user: 80, system: 50, parent: true, memory: 30)]))
        account.add(ServerSample([Self.process(1, ran: 1_400_000_000, user: 80, system: 50, parent: true, memory: 20)]))
        #expect(account.processorTime == 400_000_000 && account.countsNanoseconds)
        #expect(account.userShare == 0.75)
        #expect(account.proportional == .init(start: 10, peak: 30, end: 20))
        #expect(account.workers.isEmpty, "one process is no pre-fork server")
    }

    @Test("workers that come count from their birth, and workers that go with what their parent was told")
    func turnover() {
        var account = ServerAccount()
        let master = { Self.process(1, ran: 0, waited: $0, parent: true) }
        account.add(ServerSample([master(0), Self.process(2, ran: 500_000_000), Self.process(3, ran: 0)]))
        // The second worker goes: seen last with 0.1 s more, and it has had 0.3 s more when its parent waited for it.
        account.add(ServerSample([master(0), Self.process(2, ran: 600_000_000), Self.process(3, ran: 100_000_000)]))
        account.add(
            ServerSample([master(80), Self.process(3, ran: 200_000_000), Self.process(4, ran: 50_000_000)])
        )
        #expect(account.came == 1 && account.went == 1 && account.processes == 3)
        #expect(account.processorTime == 300_000_000 + 200_000_000 + 50_000_000)
        #expect(account.workers.map(\.pid) == [2, 3, 4])
        #expect(account.workers.map(\.nanoseconds) == [100_000_000, 200_000_000, 50_000_000])
    }

    @Test("a process that was there before the first look and is only found later counts from then on")
    func foundLater() {
        var account = ServerAccount()
        account.add(ServerSample([Self.process(1, ran: 0, parent: true)], at: 6))
        account.add(ServerSample([Self.process(1, ran: 0, parent: true), Self.process(2, ran: 9_000_000)], at: 7))
        #expect(account.processorTime == 0 && account.came == 0)
        account.add(ServerSample([Self.process(1, ran: 0, parent: true), Self.process(2, ran: 9_500_000)], at: 8))
        #expect(account.processorTime == 500_000)
    }

    @Test("children that were never seen count with what their parent was told")
    func unseen() {
        var account = ServerAccount()
        account.add(ServerSample([Self.process(1, ran: 0, waited: 10)]))
        account.add(ServerSample([Self.process(1, ran: 1_000_000, waited: 14)]))
        #expect(account.processorTime == 41_000_000)
    }

    @Test("without nanoseconds there are ticks; threads that have ended are in the ticks only")
    func ticks() {
        var account = ServerAccount()
        account.add(ServerSample([Self.process(1, ran: nil)]))
        account.add(ServerSample([Self.process(1, ran: nil, user: 3, system: 1)]))
        #expect(account.processorTime == 40_000_000 && !account.countsNanoseconds)
        var threads = ServerAccount()
        threads.add(ServerSample([Self.process(1, ran: 100, user: 0)]))
        threads.add(ServerSample([Self.process(1, ran: 200, user: 7)]))
        #expect(threads.processorTime == 70_000_000 - 100)
    }

    @Test("a number that was given to another process is another process")
    func reused() {
        var account = ServerAccount()
        var other = Self.process(2, ran: 7)
        account.add(ServerSample([Self.process(2, ran: 1_000)]))
        other.identity.started = 6
        account.add(ServerSample([other]))
        #expect(account.processorTime == 7 && account.came == 1 && account.went == 1)
    }

    @Test("memory that may not be read of one process is not known of all")
    func memory() {
        var account = ServerAccount()
        account.add(ServerSample([Self.process(1, ran: 0, memory: 5), Self.process(2, ran: 0)]))
        #expect(account.proportional == nil)
        account.add(ServerSample([]))
        #expect(account.proportional == nil && account.processes == 0)
    }

    @Test("a report has its numbers by request, and says where they come from")
    func report() {
        var account = ServerAccount()
        account.add(ServerSample([Self.process(1, ran: 0, memory: 1 << 20)]))
        account.add(ServerSample([Self.process(1, ran: 2_000_000, user: 1, system: 3, memory: 1 << 20)]))
        var report = ServerReport(account, pid: 1, requests: 4000, seconds: 2)
        report.shares = WorkerShares(source: .cpu, shares: [(1, 1_000_000_000), (2, 3_000_000_000)])
        // Four ticks are more than two milliseconds: what has ended is in them.
        #expect(report.microsecondsPerRequest == 10)
        #expect(
            report.text.contains("10.00 us a request (user 2.50, system 7.50; schedstat, split by ticks), 0.02 cores")
        )
        #expect(
            report.text.contains("Workers: 2, min 1.00 s, max 3.00 s, Jain 0.800 (CPU, its requests are not known)")
        )
        #expect(report.json["cpu_source"] == .string("schedstat"))
        #expect(report.json["listen_overflows"] == .null)
        let idle = ServerReport(account, pid: 1, requests: 0, seconds: 0)
        #expect(idle.json["cpu_microseconds_per_request"] == .null && idle.text.contains("- us a request"))
    }
}

@Suite struct WorkerSharesTests {
    @Test(
        "Jain's index",
        arguments: [([1.0, 1, 1], 1.0), ([1, 0, 0, 0], 0.25), ([0, 0], 1), ([], 1), ([1, 3], 0.8)]
            as [([Double], Double)]
    )
    func fairness(amounts: [Double], index: Double) {
        #expect(abs(WorkerShares.fairness(amounts) - index) < 1e-12)
    }

    @Test("the control socket stands in the command line")
    func control() {
        #expect(ServerControl.path(in: "spork\0serve\0--control\0/run/x\0-w\u{0}2\0") == "/run/x")
        #expect(ServerControl.path(in: "spork\0serve\0--control=y\0") == "y")
        #expect(ServerControl.path(in: "spork\0serve\0--control\0") == nil)
        #expect(ServerControl.path(in: "other\0") == nil)
        let sockets = """
            Num       RefCount Protocol Flags    Type St Inode Path
            0000000000000000: 00000002 00000000 00010000 0001 01 77 /run/a b
            0000000000000000: 00000002 00000000 00010000 0001 01 78 @abstract
            0000000000000000: 00000003 00000000 00000000 0001 03 79 /run/connected
            0000000000000000: 00000002 00000000 00010000 0001 01 80 /run/other
            """
        #expect(ServerControl.listening(in: sockets, [77, 78, 79]) == ["/run/a b"])
    }

    @Test("a status has the requests of each worker; only what came in between counts")
    func status() {
        let answer = "{\"master\":1,\"workers\":[{\"pid\":7,\"requests\":40},{\"pid\":8,\"requests\":2}]}\nok\n"
        #expect(ServerControl.requests(in: answer) == [7: 40, 8: 2])
        #expect(ServerControl.requests(in: "failed no\n") == nil)
        #expect(ServerControl.requests(in: "{\"workers\":[{\"pid\":7}]}\nok\n") == nil)
        let shares = WorkerShares.between([7: 30, 9: 5], [7: 40, 8: 2])
        #expect(shares == WorkerShares(source: .status, shares: [(7, 10), (8, 2)]))
    }
}

extension String {
    fileprivate func replacingLast(_ part: String, _ other: String) -> String {
        guard let range = ranges(of: part).last else { return self }
        return self[..<range.lowerBound] + other + self[range.upperBound...]
    }
}
