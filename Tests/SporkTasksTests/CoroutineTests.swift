// spawn, join, cancel and what surrounds them. The numbers are those of the list of behaviours that greenlet's and gevent's
// own tests ask for.
import CSporkShims
import Glibc
import SporkLoop
import SporkTasks
import Testing

private nonisolated enum Local {
    @TaskLocal static var value = 0
}

@Suite struct CoroutineTests {
    @Test("1: an error in a child that nobody catches reaches the parent where it waits, once")
    func errorReachesParent() async {
        await #expect(processExitsWith: .success) {
            try program {
                let child = spawn { throw Failure.first }
                var seen = 0
                do { try await child.value } catch Failure.first { seen += 1 }
                #expect(seen == 1)
                #expect(throws: Never.self) { try Task.checkCancellation() }
                let reports = await caught {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        group.addTask { throw Failure.second }
                        try await group.waitForAll()
                    }
                }
                #expect(reports as? Failure == .second)
            }
        }
    }

    @Test("2: one that is cancelled before it has started never runs; its observers are told")
    func cancelBeforeStart() async {
        await #expect(processExitsWith: .success) {
            try program {
                var (ran, told) = (false, 0)
                let coroutine = spawn { ran = true }
                coroutine.onCompletion { _ in told += 1 }
                coroutine.cancel()
                await coroutine.join()
                #expect(!ran && told == 1 && coroutine.isFinished)
                #expect(word(coroutine) == "cancelled")
                let later = spawn(after: .seconds(1000)) { ran = true }
                await settle()
                await later.cancelAndWait()
                #expect(!ran)
            }
        }
    }

    @Test("3: cancelling one that has ended does nothing and does not suspend; twice is harmless")
    func cancelAfterEnd() async {
        await #expect(processExitsWith: .success) {
            try program {
                let coroutine = spawn { 7 }
                await coroutine.join()
                let before = EventLoop.statistics.jobsEnqueued
                coroutine.cancel()
                coroutine.cancel()
                await coroutine.cancelAndWait()
                #expect(EventLoop.statistics.jobsEnqueued == before)
                same(try await coroutine.value, 7)
                let sleeper = spawn { try await sleep(for: .seconds(1000)) }
                await settle()
                sleeper.cancel()
                sleeper.cancel()
                await sleeper.join()
                #expect(word(sleeper) == "cancelled")
            }
        }
    }

    @Test("4: cancelAndWait returns when the coroutine is dead; cancel does not yield")
    func cancelAndWait() async {
        await #expect(processExitsWith: .success) {
            try program {
                var cleanedUp = false
                @MainActor func sleeper() -> Coroutine<Void> {
                    spawn {
                        do { try await sleep(for: .seconds(1000)) } catch {
                            for _ in 0..<5 { await Task.yield() }
                            cleanedUp = true
                            throw error
                        }
                    }
                }
                let first = sleeper()
                await settle()
                first.cancel()
                #expect(!cleanedUp && !first.isFinished)
                await first.cancelAndWait()
                #expect(cleanedUp && first.isFinished)
            }
        }
    }

    @Test("5: one that takes no notice of being cancelled may return a value, and who waits gets it")
    func swallowsCancellation() async {
        await #expect(processExitsWith: .success) {
            try program {
                let stubborn = spawn {
                    try? await sleep(for: .seconds(1000))
                    return "done anyway"
                }
                let waiters = (0..<3).map { _ in spawn { try await stubborn.value } }
                await settle()
                stubborn.cancel()
                for waiter in waiters { same(try await waiter.value, "done anyway") }
                #expect(word(stubborn) == "finished")
            }
        }
    }

    @Test("6: spawn never runs the body at once; two start in order and take turns")
    func order() async {
        await #expect(processExitsWith: .success) {
            try program {
                var trace: [String] = []
                @MainActor func twice(_ name: String) -> Coroutine<Void> {
                    spawn {
                        trace.append("1\(name)")
                        try await sleep(for: .zero)
                        trace.append("2\(name)")
                    }
                }
                let (first, second) = (twice("A"), twice("B"))
                #expect(trace.isEmpty)
                await first.join()
                await second.join()
                #expect(trace == ["1A", "1B", "2A", "2B"])
            }
        }
    }

    @Test(
        "7: observers are called in order, a thousand of them, also when they come late; one that throws stops no other"
    )
    func observers() async {
        await #expect(processExitsWith: .success) {
            try program {
                var (called, reported): ([Int], Int) = ([], 0)
                EventLoop.onUnhandledError = { _, _ in reported += 1 }
                let coroutine = spawn { 1 }
                for number in 0..<1000 {
                    coroutine.onCompletion { _ in
                        called.append(number)
                        if number == 500 { throw Failure.first }
                    }
                }
                await coroutine.join()
                #expect(called == Array(0..<1000) && reported == 1)
                coroutine.onCompletion { _ in called.append(-1) }
                #expect(called.last == -1)
            }
        }
    }

    @Test("8: value(within:) throws when the time is over; the coroutine goes on, and its value can be had later")
    func valueWithin() async {
        await #expect(processExitsWith: .success) {
            try program {
                let gate = Event()
                let coroutine = spawn {
                    try await gate.wait()
                    return 5
                }
                await #expect(throws: TimeoutError(limit: .milliseconds(5))) {
                    try await coroutine.value(within: .milliseconds(5))
                }
                #expect(!coroutine.isFinished)
                gate.set()
                same(try await coroutine.value, 5)
            }
        }
    }

    @Test("9: join(within:) returns without an error, not early")
    func joinWithin() async {
        await #expect(processExitsWith: .success) {
            try program {
                let coroutine = spawn { try await sleep(for: .seconds(1000)) }
                let start = ContinuousClock.now
                same(await coroutine.join(within: .milliseconds(20)), false)
                let taken = ContinuousClock.now - start
                #expect(taken >= .milliseconds(20) && taken < .seconds(5))
                await coroutine.cancelAndWait()
                same(await coroutine.join(within: .milliseconds(20)), true)
            }
        }
    }

    @Test("10: joinAll returns in the order of the ends; values throws the first error while the others go on")
    func joiningAll() async {
        await #expect(processExitsWith: .success) {
            try program {
                let gates = (0..<3).map { _ in Event() }
                let coroutines = (0..<3).map { number in
                    spawn {
                        try await gates[number].wait()
                        return number
                    }
                }
                for number in [2, 0, 1] {
                    gates[number].set()
                    await settle()
                }
                let ended = await joinAll(coroutines).map { one in coroutines.firstIndex { $0 === one } }
                #expect(ended == [2, 0, 1])

                var finished: [Int] = []
                let sleepers = [30, 10, 20].map { time in
                    spawn {
                        try await sleep(for: .milliseconds(time))
                        return time
                    }
                }
                for coroutine in await joinAll(sleepers) { finished.append(try await coroutine.value) }
                #expect(finished == [10, 20, 30])

                let slow = spawn { try await sleep(for: .seconds(1000)) }
                let wrong = spawn { throw Failure.first }
                let thrown = await caught { _ = try await values(of: [slow, wrong]) }
                #expect(thrown as? Failure == .first && !slow.isFinished)

                let quick = (0..<4).map { _ in spawn {} }
                same(await joinAll(quick + [slow], count: 2).count, 2)
                same(await joinAll([slow], within: .milliseconds(5)).isEmpty, true)
                same(await joinAll([Coroutine<Void>]()).isEmpty, true)
                slow.cancel()
            }
        }
    }

    @Test("37: task-local values that are set before a spawn are seen in the coroutine, and not outside of it")
    func taskLocals() async {
        await #expect(processExitsWith: .success) {
            try program {
                for _ in 0..<10 { await spawn {}.join() }
                let child = Local.$value.withValue(3) { spawn { Local.value } }
                same(try await child.value, 3)
                #expect(Local.value == 0)
                same(try await spawn { Local.value }.value, 0)
                let nested = Local.$value.withValue(4) {
                    spawn { try await spawn { Local.value }.value + Local.$value.withValue(5) { Local.value } }
                }
                same(try await nested.value, 9)
                same(try await spawn { Local.value }.value, 0)
            }
        }
    }

    @Test("an error that nobody can see any more is reported, with the name of its coroutine")
    func unhandled() async {
        await #expect(processExitsWith: .success) {
            try program {
                var reported: [String] = []
                EventLoop.onUnhandledError = { error, coroutine in reported.append("\(coroutine.prefix(5)): \(error)") }
                spawn("lost") { throw Failure.first }
                await settle()
                #expect(reported == ["lost : first"])
                let seen = spawn("seen") { throw Failure.second }
                _ = await caught { try await seen.value }
                #expect(reported.count == 1)
            }
        }
    }

    @Test("a chain of coroutines, each joining the next, and one joined by many")
    func chains() async {
        await #expect(processExitsWith: .success) {
            try program {
                var last = spawn { 0 }
                for _ in 0..<1000 {
                    let before = last
                    last = spawn { try await before.value + 1 }
                }
                same(try await last.value, 1000)
                let gate = Event()
                let one = spawn { try await gate.wait() }
                let many = (0..<1000).map { _ in spawn { await one.join() } }
                await settle()
                many[10].cancel()
                gate.set()
                same(await joinAll(many).count, 1000)
            }
        }
    }
}
