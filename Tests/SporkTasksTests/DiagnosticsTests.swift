// What the loop says of itself: who blocked it, who waits for what, who switches to whom. The numbers are those of the list of
// behaviours.
import CSporkShims
import Glibc
import SporkLoop
import SporkTasks
import Testing

@Suite struct DiagnosticsTests {
    @Test("33: a loop that was blocked makes one report that names the coroutine")
    func blocked() async {
        await #expect(processExitsWith: .success) {
            try program {
                var reports: [EventLoop.BlockedReport] = []
                EventLoop.onBlocked = { reports.append($0) }
                // Long enough that nothing else takes as long, whatever else the machine does.
                EventLoop.blockedLimit = .milliseconds(500)
                spawn("greedy") { usleep(700_000) }
                spawn("modest") { usleep(1000) }
                await settle()
                #expect(reports.count == 1)
                #expect(reports.first?.coroutine?.hasPrefix("greedy (") == true)
                #expect(reports.first.map { $0.duration >= .milliseconds(650) } == true)
                #expect(reports.first?.description.contains("greedy") == true)
                EventLoop.blockedLimit = nil
                spawn("unwatched") { usleep(700_000) }
                await settle()
                #expect(reports.count == 1)
                #expect(EventLoop.statistics.longestJob >= .milliseconds(650))
            }
        }
    }

    @Test("33: a dump names each coroutine with its spawn site, what it waits for, and who spawned it")
    func dump() async {
        await #expect(processExitsWith: .success) {
            try program {
                let queue = Queue<Int>()
                let parent = spawn("parent") {
                    let child = spawn("child") { try await queue.receive() }
                    _ = try await child.value
                }
                spawn { try await sleep(for: .seconds(1000)) }
                let unstarted = spawn("unstarted", after: .seconds(1)) {}
                await settle()
                let lines = EventLoop.dumpTasks().split(separator: "\n").map(String.init)
                #expect(lines.count == 5)
                #expect(lines[0].contains("main (") && lines[0].contains("running"))
                #expect(lines[1].contains("parent (SporkTasksTests/DiagnosticsTests.swift:"))
                #expect(lines[1].contains("waits to join coroutine"))
                let child = lines.first { $0.contains(" child (") } ?? ""
                #expect(child.contains("waits to receive from a queue") && child.contains("spawned by #\(parent.id)"))
                #expect(lines.filter { $0.contains("waits to sleep") }.count == 2)
                unstarted.cancel()
                spawn("fresh") {}
                #expect(EventLoop.dumpTasks().contains("not started"))
            }
        }
    }

    @Test("36: the trace hook sees each switch with both its ends; one that throws is removed")
    func trace() async {
        await #expect(processExitsWith: .success) {
            try program {
                var switches: [String] = []
                EventLoop.onSwitch = { from, to in
                    switches.append("\(from?.name ?? "-")>\(to?.name ?? "-")")
                }
                let first = spawn("a") { try await checkpoint() }
                let second = spawn("b") { try await checkpoint() }
                await first.join()
                await second.join()
                EventLoop.onSwitch = nil
                let text = switches.joined(separator: " ")
                #expect(text.contains("a>b b>a"), "\(text)")
                #expect(text.hasSuffix("b>main"), "\(text)")
                var calls = 0
                EventLoop.onSwitch = { _, _ in
                    calls += 1
                    throw Failure.first
                }
                await settle()
                #expect(calls == 1 && EventLoop.onSwitch == nil)
            }
        }
    }

    @Test("34: a deadlock is an error that says who waits for what")
    func deadlock() async {
        await #expect(processExitsWith: .success) {
            // In a child, which has one thread: another one might still wake somebody, so it is waited for.
            let code = exitCodeOfChild {
                do {
                    try EventLoop.run { _ = try await Queue<Int>().receive() }
                    return 1
                } catch let error as DeadlockError {
                    let text = "\(error)"
                    return text.contains("main (") && text.contains("waits to receive from a queue") ? 7 : 2
                }
            }
            #expect(code == 7)
            exit(0)
        }
    }

    @Test("35: after fork the loop, timers and threads of a child work, and its sibling's too")
    func afterFork() async {
        await #expect(processExitsWith: .success) {
            for _ in 0..<2 {
                let code = exitCodeOfChild {
                    try EventLoop.run {
                        let sleeper = spawn {
                            try await sleep(for: .milliseconds(5))
                            return 20
                        }
                        let value = try await sleeper.value + offload { 1 }
                        let thrown = await caught { try await withTimeout(.zero) { try await sleep(for: .seconds(9)) } }
                        return thrown is TimeoutError ? Int32(value) : 1
                    }
                }
                #expect(code == 21)
            }
            try program {
                try await sleep(for: .milliseconds(1))
                same(try await offload { 2 }, 2)
            }
        }
    }
}
