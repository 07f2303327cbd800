// What happens when two things happen in one turn of the loop, or one object is used again: each of these was wrong once.
import CSporkShims
import Glibc
import SporkLoop
import SporkTasks
import Testing

@Suite struct EdgeTests {
    @Test("12: an outer and an inner limit that are over in the same turn: the outer one is thrown")
    func limitsOfOneTurn() async {
        await #expect(processExitsWith: .success) {
            try program {
                EventLoop.blockedLimit = nil
                var hasGoneOn = false
                let error = await caught {
                    try await withTimeout(.milliseconds(10)) {
                        let inner: Void? = try await giveUp(after: .milliseconds(20)) {
                            let held = spawn { _ = usleep(60_000) }
                            try await sleep(for: .seconds(5))
                            await held.join()
                        }
                        hasGoneOn = true
                        #expect(inner == nil)
                    }
                }
                same(error as? TimeoutError, TimeoutError(limit: .milliseconds(10)))
                #expect(!hasGoneOn, "the inner limit hid the outer one")
            }
        }
    }

    @Test(
        "15: a timer that starts itself again, and a sleep behind a busy stretch, are not late by the time that has passed before"
    )
    func restartedTimer() async {
        await #expect(processExitsWith: .success) {
            try program {
                EventLoop.blockedLimit = nil
                let fired = Queue<ContinuousClock.Instant>()
                var timer: LoopTimer?
                timer = LoopTimer {
                    MainActor.assumeIsolated {
                        _ = fired.trySend(.now)
                        timer?.start(after: .milliseconds(200))
                    }
                }
                let start = ContinuousClock.now
                timer?.start(after: .milliseconds(200))
                for number in 1...2 {
                    let time = try await fired.receive()
                    let expected = Duration.milliseconds(200 * number)
                    #expect(time - start >= expected)
                    #expect(time - start < expected + .milliseconds(190), "fire \(number) came after \(time - start)")
                }
                timer?.stop()
                usleep(500_000)
                Task { try await Task.sleep(for: .milliseconds(1)) }
                await Task.yield()
                let slept = try await elapsed { try await sleep(for: .milliseconds(10)) }
                #expect(slept < .milliseconds(400), "10 ms took \(slept)")
            }
        }
    }

    @Test("24: a spawn that waits for a place when the pool's drain has cancelled is refused")
    func drainedPool() async {
        await #expect(processExitsWith: .success) {
            try program {
                let pool = CoroutinePool(limit: 1)
                try await pool.spawn { try await sleep(for: .seconds(60)) }
                var hasRun = false
                let waiting = spawn {
                    try await pool.spawn {
                        hasRun = true; try await sleep(for: .seconds(60))
                    }
                }
                await settle()
                let cancelled = try await pool.drain(within: .milliseconds(10))
                same(cancelled, 1)
                let error = await caught { try await waiting.value }
                #expect(error is CancellationError && !hasRun && pool.count == 0)
                let next = try await pool.spawn { 7 }.value
                same(next, 7)
            }
        }
    }

    @Test(
        "10: those that had ended before are joined in the order of their ends, too; nothing stays with those that go on"
    )
    func orderOfEnds() async {
        await #expect(processExitsWith: .success) {
            try program {
                let gates = (0..<3).map { _ in Event() }
                let coroutines = gates.map { gate in spawn { try await gate.wait() } }
                for index in [2, 0, 1] {
                    gates[index].set()
                    await coroutines[index].join()
                }
                let order = await joinAll(coroutines).map { one in coroutines.firstIndex { $0 === one } }
                same(order, [2, 0, 1])
                let first = await joinAll(coroutines, count: 1).map { one in coroutines.firstIndex { $0 === one } }
                same(first, [2])

                final class Token {}
                weak var token: Token?
                let long = spawn { try await sleep(for: .seconds(60)) }
                do {
                    let kept = Token()
                    token = kept
                    let other = spawn { withExtendedLifetime(kept) {} }
                    _ = await joinAll([long], within: .zero)
                    _ = await caught {
                        try await withTimeout(.milliseconds(5)) { _ = try await values(of: [long, other]) }
                    }
                }
                await settle()
                #expect(token == nil, "an observer that nobody needs keeps what it has captured")
                long.cancel()
            }
        }
    }

    @Test(
        "children that are dropped before anybody looked leave no descriptor; one that is no child is an error in its turn"
    )
    func droppedChildren() async {
        await #expect(processExitsWith: .success) {
            try program {
                let child = spork_fork()
                if child == 0 { while true { pause() } }
                let before = processDescriptors()
                for _ in 0..<10 { _ = try ChildExits(of: child) }
                await settle()
                same(processDescriptors(), before)
                kill(child, SIGKILL)
                waitpid(child, nil, 0)
                var iterator = try ChildExits(of: getppid()).makeAsyncIterator()
                kill(getppid(), 0)
                let error = await caught { try await withTimeout(.milliseconds(20)) { try await iterator.next() } }
                #expect(error is TimeoutError, "a process that runs and is no child has not ended yet")
            }
        }
    }

    @Test("a wait that was cancelled does not keep another from waiting for the same descriptor in the same turn")
    func cancelledReader() async {
        await #expect(processExitsWith: .success) {
            try program {
                var ends: [Int32] = [-1, -1]
                same(spork_pipe(&ends), 0)
                let (reading, writing) = (ends[0], ends[1])
                let readiness = Readiness(descriptor: reading)
                let first = spawn { await readiness.readable() }
                await settle()
                first.cancel()
                spawn {
                    try await sleep(for: .milliseconds(5))
                    _ = write(writing, "x", 1)
                }
                let outcome = await readiness.readable(until: .fromNow(.seconds(5)))
                #expect(outcome == .woken)
                let ended = try await first.value
                #expect(ended == .cancelled)
                readiness.close()
            }
        }
    }

    @Test("21: one event in two branches of a select; who comes later does not step back for ever")
    func eventTwice() async {
        await #expect(processExitsWith: .success) {
            try program {
                let event = Event()
                let selecting = spawn { try await select(.wait(for: event) { 1 }, .wait(for: event) { 2 }) }
                await settle()
                event.set()
                let chosen = try await selecting.value
                same(chosen, 1)
                let before = EventLoop.statistics.jobsEnqueued
                for _ in 0..<100 { try await event.wait() }
                same(EventLoop.statistics.jobsEnqueued, before)
            }
        }
    }

    @Test("a greenlet that is cancelled while it runs still gives back what it has; the end comes with the next switch")
    func cancelledGreenlet() async {
        await #expect(processExitsWith: .success) {
            try program {
                var current: AnyCoroutine?
                let greenlet = Greenlet<Int, Int> { first, caller in
                    current = AnyCoroutine.current
                    current?.cancel()
                    return try await caller.switch(first + 1)
                }
                let heard = try await greenlet.switch(1)
                same(heard, 2)
                await settle()
                let error = await caught { try await greenlet.switch(2) }
                #expect(error is CancellationError)
                let finished = await caught { try await greenlet.switch(3) }
                same(finished as? GreenletError, .finished)
            }
        }
    }

    @Test("a task that reuses the place of a coroutine that has ended is not taken for it")
    func blame() async {
        await #expect(processExitsWith: .success) {
            try program {
                EventLoop.blockedLimit = .milliseconds(250)
                var reports: [EventLoop.BlockedReport] = []
                EventLoop.onBlocked = { reports.append($0) }
                for _ in 0..<3 {
                    await spawn("innocent") {}.join()
                    await Task { _ = usleep(300_000) }.value
                }
                await settle()
                #expect(reports.count(where: { $0.coroutine == nil }) >= 3)
                #expect(!reports.contains { $0.coroutine?.contains("innocent") ?? false }, "\(reports)")
            }
        }
    }

    @Test("jobs are counted while a batch runs; an error nobody waited long enough for is reported")
    func counting() async {
        await #expect(processExitsWith: .success) {
            try program {
                let before = EventLoop.statistics.jobsRun
                for _ in 0..<100 { try await checkpoint() }
                #expect(EventLoop.statistics.jobsRun >= before + 100)
                var reported: [String] = []
                EventLoop.onUnhandledError = { error, _ in reported.append("\(error)") }
                do {
                    let failing = spawn {
                        try await sleep(for: .milliseconds(20)); throw Failure.first
                    }
                    _ = await caught { try await failing.value(within: .milliseconds(1)) }
                }
                try await sleep(for: .milliseconds(40))
                same(reported, ["first"])
            }
        }
    }
}
