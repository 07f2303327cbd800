// The master's rules, without forking: every event is told by hand, on a clock of the test's own.
import SporkPrefork
import Testing

@Suite struct SupervisionTests {
    /// Supervision with `count` workers running since 0, pids 101 and up.
    private func running(_ count: Int, limits: Supervision.Limits = Supervision.Limits()) -> Supervision {
        var supervision = Supervision(limits: limits)
        #expect(supervision.start(workers: count) == (1...count).map { .fork(slot: $0) })
        for slot in 1...count { #expect(supervision.on(.forked(slot: slot, pid: pid(slot)), at: 0).isEmpty) }
        return supervision
    }

    private func pid(_ slot: Int) -> Int32 { 100 + Int32(slot) }

    @Test("at least one worker is started")
    func atLeastOne() {
        var supervision = Supervision()
        #expect(supervision.start(workers: 0) == [.fork(slot: 1)])
    }

    @Test("a worker that dies is replaced at once, in its slot")
    func replacedAtOnce() {
        var supervision = running(3)
        #expect(supervision.on(.ended(pid: 102), at: 60) == [.fork(slot: 2)])
        #expect(supervision.capacity == 3)
        #expect(supervision.slot(of: 102) == nil)
        #expect(supervision.on(.forked(slot: 2, pid: 202), at: 60).isEmpty)
        #expect(supervision.slot(of: 202) == 2)
    }

    @Test("the first early death is replaced at once, later ones wait longer and longer, up to a limit")
    func backoff() {
        var supervision = running(1)
        var now = 0.1
        var waits: [Double] = []
        #expect(supervision.on(.ended(pid: 101), at: now) == [.fork(slot: 1)])
        for _ in 0..<12 {
            _ = supervision.on(.forked(slot: 1, pid: 101), at: now)
            now += 0.1
            #expect(supervision.on(.ended(pid: 101), at: now).isEmpty)
            guard let deadline = supervision.nextDeadline else {
                Issue.record("no deadline while a slot waits")
                return
            }
            waits.append(((deadline - now) * 1000).rounded() / 1000)
            #expect(supervision.on(.timePassed, at: deadline - 0.01).isEmpty)
            now = deadline
            #expect(supervision.on(.timePassed, at: now) == [.fork(slot: 1)])
        }
        #expect(waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30])
    }

    @Test("a worker that has lived for a while is forgiven its earlier failures")
    func forgiven() {
        var supervision = running(1)
        #expect(supervision.on(.ended(pid: 101), at: 0.1) == [.fork(slot: 1)])
        _ = supervision.on(.forked(slot: 1, pid: 102), at: 0.1)
        #expect(supervision.on(.ended(pid: 102), at: 20) == [.fork(slot: 1)])
        _ = supervision.on(.forked(slot: 1, pid: 103), at: 20)
        #expect(supervision.on(.ended(pid: 103), at: 20.5) == [.fork(slot: 1)])
    }

    @Test("a fork that fails is tried again with the same patience")
    func forkFails() {
        var supervision = running(1)
        #expect(supervision.on(.ended(pid: 101), at: 50) == [.fork(slot: 1)])
        #expect(supervision.on(.forkFailed(slot: 1), at: 50) == [.fork(slot: 1)])
        #expect(supervision.on(.forkFailed(slot: 1), at: 50).isEmpty)
        #expect(supervision.on(.timePassed, at: 50.1) == [.fork(slot: 1)])
    }

    @Test("grow takes the lowest free slot")
    func grow() {
        var supervision = running(2)
        #expect(supervision.on(.grow, at: 1) == [.fork(slot: 3)])
        _ = supervision.on(.forked(slot: 3, pid: 103), at: 1)
        #expect(supervision.on(.grow, at: 1) == [.fork(slot: 4)])
    }

    @Test("shrink drains the highest slot, which is not replaced, and never the last worker")
    func shrink() {
        var supervision = running(3)
        #expect(supervision.on(.shrink, at: 1) == [.drain(pid: 103)])
        #expect(supervision.capacity == 2)
        #expect(supervision.expectsEnd(of: 103))
        #expect(!supervision.expectsEnd(of: 102))
        #expect(supervision.on(.shrink, at: 1) == [.drain(pid: 102)])
        #expect(supervision.on(.shrink, at: 1).isEmpty)
        #expect(supervision.on(.ended(pid: 103), at: 2).isEmpty)
        #expect(supervision.on(.ended(pid: 102), at: 2).isEmpty)
        #expect(supervision.pids == [101])
        #expect(supervision.on(.grow, at: 3) == [.fork(slot: 2)])
    }

    @Test("a slot that still drains is not given to a new worker")
    func growWhileRetiring() {
        var supervision = running(2)
        #expect(supervision.on(.shrink, at: 1) == [.drain(pid: 102)])
        #expect(supervision.on(.grow, at: 1) == [.fork(slot: 3)])
    }

    @Test("shrinking away a slot that waits needs no signal")
    func shrinkWaiting() {
        var supervision = running(2)
        #expect(supervision.on(.ended(pid: 102), at: 0.1) == [.fork(slot: 2)])
        _ = supervision.on(.forked(slot: 2, pid: 102), at: 0.1)
        #expect(supervision.on(.ended(pid: 102), at: 0.2).isEmpty)
        #expect(supervision.on(.shrink, at: 0.2).isEmpty)
        #expect(supervision.capacity == 1)
        #expect(supervision.nextDeadline == nil)
        #expect(supervision.on(.timePassed, at: 100).isEmpty)
    }

    @Test("a retiring worker is killed when its time is over, once")
    func killedAfterGrace() {
        var supervision = running(2)
        _ = supervision.on(.shrink, at: 10)
        #expect(supervision.nextDeadline == 40)
        #expect(supervision.on(.timePassed, at: 39).isEmpty)
        #expect(supervision.on(.timePassed, at: 40) == [.kill(pid: 102)])
        #expect(supervision.on(.timePassed, at: 41).isEmpty)
        #expect(supervision.on(.ended(pid: 102), at: 41).isEmpty)
    }

    @Test("a graceful stop drains all, replaces none, and finishes with the last")
    func gracefulStop() {
        var supervision = running(2)
        #expect(supervision.on(.stopGracefully, at: 5) == [.drain(pid: 101), .drain(pid: 102)])
        #expect(supervision.on(.grow, at: 5).isEmpty)
        #expect(supervision.on(.shrink, at: 5).isEmpty)
        #expect(supervision.on(.ended(pid: 101), at: 6).isEmpty)
        #expect(supervision.on(.ended(pid: 102), at: 7) == [.finish])
    }

    @Test("a fast stop says quit, a second stop kills", arguments: [Supervision.Event.stopFast, .stopGracefully])
    func fastStop(second: Supervision.Event) {
        var supervision = running(2)
        #expect(supervision.on(.stopFast, at: 5) == [.quit(pid: 101), .quit(pid: 102)])
        #expect(supervision.on(second, at: 5) == [.kill(pid: 101), .kill(pid: 102)])
    }

    @Test("a second graceful stop kills; a fast one after a graceful one says quit")
    func escalation() {
        var first = running(1)
        _ = first.on(.stopGracefully, at: 0)
        #expect(first.on(.stopGracefully, at: 0) == [.kill(pid: 101)])
        var second = running(1)
        _ = second.on(.stopGracefully, at: 0)
        #expect(second.on(.stopFast, at: 0) == [.quit(pid: 101)])
        #expect(second.on(.stopFast, at: 0) == [.kill(pid: 101)])
    }

    @Test("a stop while nothing runs finishes at once")
    func stopWhileWaiting() {
        var supervision = running(1)
        #expect(supervision.on(.ended(pid: 101), at: 0.1) == [.fork(slot: 1)])
        _ = supervision.on(.forked(slot: 1, pid: 101), at: 0.1)
        #expect(supervision.on(.ended(pid: 101), at: 0.2).isEmpty)
        #expect(supervision.on(.stopGracefully, at: 0.25) == [.finish])
    }

    @Test("the end of a stranger is nobody's business")
    func stranger() {
        var supervision = running(1)
        #expect(supervision.on(.ended(pid: 4711), at: 1).isEmpty)
        #expect(supervision.capacity == 1)
    }
}
