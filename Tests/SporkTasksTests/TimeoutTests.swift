// Time limits and how they nest. The numbers are those of the list of behaviours.
import Glibc
import SporkLoop
import SporkTasks
import Testing

@Suite struct TimeoutTests {
    @Test("11: a limit of zero ends the first suspension, nothing before it; nil is no limit")
    func zero() async {
        await #expect(processExitsWith: .success) {
            try program {
                var reached = 0
                let thrown = await caught {
                    try await withTimeout(.zero) {
                        reached = 1
                        try await sleep(for: .seconds(1000))
                        reached = 2
                    }
                }
                #expect(thrown as? TimeoutError == TimeoutError(limit: .zero) && reached == 1)
                same(try await withTimeout(.zero) { 3 }, 3)
                let unlimited = try await withTimeout(nil) {
                    try await sleep(for: .milliseconds(2))
                    return 4
                }
                #expect(unlimited == 4)
            }
        }
    }

    @Test("12: the shorter of two nested limits fires; a shorter outer one passes through the inner one")
    func nested() async {
        await #expect(processExitsWith: .success) {
            try program {
                var caughtInside = false
                try await withTimeout(.seconds(1000)) {
                    do {
                        try await withTimeout(.milliseconds(5)) { try await sleep(for: .seconds(1000)) }
                    } catch let error as TimeoutError { caughtInside = error.limit == .milliseconds(5) }
                }
                #expect(caughtInside)

                var seenInside: (any Error)?
                let thrown = await caught {
                    try await withTimeout(.milliseconds(5)) {
                        do {
                            try await withTimeout(.seconds(1000)) { try await sleep(for: .seconds(1000)) }
                        } catch {
                            seenInside = error
                            throw error
                        }
                    }
                }
                #expect(thrown as? TimeoutError == TimeoutError(limit: .milliseconds(5)))
                #expect(seenInside is CancellationError)
                // Were the inner timer still set, the loop would not notice that nothing else is left to wait for.
                #expect(EventLoop.statistics.coroutines == 1)
            }
        }
    }

    @Test("13: giveUp returns nil for its own limit and hides no other's")
    func givingUp() async {
        await #expect(processExitsWith: .success) {
            try program {
                let nothing: Void? = try await giveUp(after: .milliseconds(5)) { try await sleep(for: .seconds(1000)) }
                #expect(nothing == nil)
                let inner = await caught {
                    try await giveUp(after: .seconds(1000)) {
                        try await withTimeout(.milliseconds(5)) { try await sleep(for: .seconds(1000)) }
                    }
                }
                #expect(inner as? TimeoutError == TimeoutError(limit: .milliseconds(5)))
                let outer = await caught {
                    try await withTimeout(.milliseconds(5)) {
                        try await giveUp(after: .seconds(1000)) { try await sleep(for: .seconds(1000)) }
                    }
                }
                #expect(outer as? TimeoutError == TimeoutError(limit: .milliseconds(5)))
                same(try await giveUp(after: .seconds(1000)) { 5 }, 5)
                let own = await caught { try await giveUp(after: .seconds(1000)) { throw Failure.first } }
                #expect(own as? Failure == .first)
            }
        }
    }

    @Test("14: a limit that was kept never fires later, not after a thousand of them")
    func keptLimits() async {
        await #expect(processExitsWith: .success) {
            try program {
                let queue = Queue<Int>(capacity: 1)
                for number in 0..<1000 {
                    try await withTimeout(.milliseconds(20)) { try await queue.send(number) }
                    same(try await queue.receive(within: .milliseconds(20)), number)
                }
                try await sleep(for: .milliseconds(40))
                let nothing = await caught { try await queue.receive(within: .milliseconds(1)) }
                #expect(nothing is TimeoutError)
            }
        }
    }

    @Test("15: long work before a limit is set does not let it pass early")
    func longWorkBefore() async {
        await #expect(processExitsWith: .success) {
            try program {
                EventLoop.blockedLimit = nil
                for _ in 0..<3 {
                    usleep(30_000)
                    let slept = try await elapsed { try await sleep(for: .milliseconds(20)) }
                    #expect(slept >= .milliseconds(20))
                    usleep(30_000)
                    let limited = await elapsed {
                        _ = await caught {
                            try await withTimeout(.milliseconds(20)) { try await sleep(for: .seconds(1000)) }
                        }
                    }
                    #expect(limited >= .milliseconds(20))
                }
            }
        }
    }

    @Test("the body of a limit is waited for, and what it returns in spite of it counts")
    func stubbornBody() async {
        await #expect(processExitsWith: .success) {
            try program {
                let value = try await withTimeout(.milliseconds(1)) {
                    try? await sleep(for: .seconds(1000))
                    return 9
                }
                #expect(value == 9)
            }
        }
    }

    @Test("cancelling the caller of a limit cancels what it limits")
    func cancellationPasses() async {
        await #expect(processExitsWith: .success) {
            try program {
                var inside: (any Error)?
                let coroutine = spawn {
                    try await withTimeout(.seconds(1000)) {
                        do { try await sleep(for: .seconds(1000)) } catch {
                            inside = error
                            throw error
                        }
                    }
                }
                await settle()
                await coroutine.cancelAndWait()
                #expect(inside is CancellationError)
                #expect(word(coroutine) == "cancelled")
            }
        }
    }

    @Test("a deadline in the past ends the first wait")
    func deadline() async {
        await #expect(processExitsWith: .success) {
            try program {
                let past = ContinuousClock.now - .seconds(1)
                let thrown = await caught { try await withDeadline(past) { try await sleep(for: .seconds(1000)) } }
                #expect(thrown is TimeoutError)
                same(try await withDeadline(.now + .seconds(1000)) { 1 }, 1)
            }
        }
    }
}
