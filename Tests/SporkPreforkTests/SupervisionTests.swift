// The master's rules, without forking: every event is told by hand, on a clock of the test's own.
import SporkPrefork
import Testing

@Suite struct SupervisionTests {
    @Test("at least one worker is started")
    func atLeastOne() {
        var supervision = Supervision()
        #expect(supervision.start(workers: 0) == [.fork(row: 0, slot: 1, generation: 1)])
    }

    @Test("all serve when the last of them is ready, and that is said once")
    func serving() {
        let world = World(workers: 3, ready: false)
        #expect(world.tell(.ready(row: 0)).isEmpty)
        #expect(world.tell(.ready(row: 2)).isEmpty)
        #expect(world.supervision.serving == 2)
        #expect(world.tell(.ready(row: 1)) == [.serving])
        #expect(world.tell(.ready(row: 1)).isEmpty)
        world.now = 50
        world.die(slot: 1)
        #expect(world.tell(.ready(row: 0)).isEmpty)
    }

    @Test("a worker that dies is replaced at once, in its slot")
    func replacedAtOnce() {
        let world = World(workers: 3)
        world.now = 60
        let old = world.pid(slot: 2)
        world.die(slot: 2)
        #expect(world.log == [.fork(row: 1, slot: 2, generation: 1)])
        #expect(world.supervision.capacity == 3)
        #expect(world.supervision.slot(of: old) == nil)
        #expect(world.supervision.slot(of: world.pid(slot: 2)) == 2)
    }

    @Test("the first early death is replaced at once, later ones wait longer and longer, up to a limit")
    func backoff() {
        var limits = Supervision.Limits()
        limits.hang = nil
        let world = World(workers: 1, limits: limits)
        var waits: [Double] = []
        world.now = 0.1
        world.die(slot: 1)
        for _ in 0..<12 {
            world.now += 0.1
            world.readyAll()
            world.die(slot: 1)
            guard let deadline = world.supervision.nextDeadline else {
                Issue.record("no deadline while a slot waits")
                return
            }
            waits.append(((deadline - world.now) * 1000).rounded() / 1000)
            world.now = deadline - 0.01
            #expect(world.tell(.timePassed).isEmpty)
            world.now = deadline
            #expect(world.tell(.timePassed).contains(.fork(row: 0, slot: 1, generation: 1)))
        }
        #expect(waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30])
    }

    @Test("once it has served, a server never gives up")
    func neverGivesUp() {
        let world = World(workers: 1)
        for _ in 0..<200 {
            world.die(slot: 1)
            world.now += 31
            world.tell(.timePassed)
            #expect(!world.log.contains { if case .finish = $0 { true } else { false } })
        }
        #expect(world.supervision.pids.count == 1)
    }

    @Test("a server none of whose workers ever starts gives up, and says why")
    func givesUp() {
        let world = World(workers: 2, ready: false)
        world.die(slot: 1, "ended with exit code 1")
        world.die(slot: 1, "ended with exit code 1")
        let pid = world.pid(slot: 2)
        world.now += 0.1
        world.tell(.timePassed)
        world.log = []
        world.die(slot: 1, "ended with exit code 1")
        #expect(world.log == [.quit(pid: pid), .closeListeners])
        #expect(
            world.tell(.ended(pid: pid, reason: "ended with exit code 0"))
                == [.finish(failure: "worker 1 of generation 1 ended with exit code 1")]
        )
    }

    @Test("a worker that has lived for a while is forgiven its earlier failures")
    func forgiven() {
        let world = World(workers: 1)
        for now in [0.1, 20, 20.5] {
            world.now = now
            world.die(slot: 1)
            #expect(world.log.last == .fork(row: 0, slot: 1, generation: 1))
            world.readyAll()
        }
    }

    @Test("a worker that is not ready in time is killed and replaced")
    func bootTimeout() {
        let world = World(workers: 1)
        world.now = 100
        world.die(slot: 1)
        let pid = world.pid(slot: 1)
        world.now = 129
        #expect(!world.tell(.timePassed).contains(.kill(pid: pid)))
        world.now = 130
        let actions = world.tell(.timePassed)
        #expect(actions.prefix(2) == [.reportKill(row: 0, reason: "was not ready after 30.0 s"), .kill(pid: pid)])
        #expect(actions.contains(.fork(row: 1, slot: 1, generation: 1)))
        world.log = []
        world.tell(.ended(pid: pid, reason: "was ended by signal 9"))
        #expect(world.log.isEmpty)
    }

    @Test("a fork that fails is tried again with the same patience")
    func forkFails() {
        let world = World(workers: 1)
        world.now = 50
        world.refusesForks = true
        world.die(slot: 1)
        #expect(world.log == [.fork(row: 0, slot: 1, generation: 1), .fork(row: 0, slot: 1, generation: 1)])
        world.refusesForks = false
        world.log = []
        world.now = 50.1
        world.tell(.timePassed)
        #expect(world.log.contains(.fork(row: 0, slot: 1, generation: 1)))
    }

    @Test("grow takes the lowest free slot, shrink drains the highest, never the last")
    func resize() {
        let world = World(workers: 2)
        world.now = 5
        world.tell(.grow)
        world.readyAll()
        #expect(world.supervision.capacity == 3)
        let (second, third) = (world.pid(slot: 2), world.pid(slot: 3))
        #expect(world.tell(.shrink) == [.drain(pid: third)])
        #expect(world.supervision.expectsEnd(of: third))
        #expect(!world.supervision.expectsEnd(of: second))
        #expect(world.tell(.shrink) == [.drain(pid: second)])
        #expect(world.tell(.shrink).isEmpty)
        #expect(world.supervision.capacity == 1)
        world.log = []
        world.tell(.ended(pid: third, reason: ""))
        world.tell(.ended(pid: second, reason: ""))
        #expect(world.log.isEmpty)
        #expect(world.tell(.resize(4)).count == 3)
        #expect(world.supervision.capacity == 4)
        #expect(world.tell(.resize(0)).count { if case .drain = $0 { true } else { false } } == 3)
    }

    @Test("shrinking away a slot that waits needs no signal")
    func shrinkWaiting() {
        let world = World(workers: 2)
        world.now = 0.1
        world.die(slot: 2)
        world.die(slot: 2)
        world.log = []
        world.tell(.shrink)
        #expect(world.log.isEmpty)
        #expect(world.supervision.capacity == 1)
    }

    @Test("a retiring worker is killed when its time is over, once")
    func killedAfterGrace() {
        let world = World(workers: 2)
        world.now = 10
        let pid = world.pid(slot: 2)
        world.tell(.shrink)
        world.now = 39
        #expect(!world.tell(.timePassed).contains(.kill(pid: pid)))
        world.now = 40
        #expect(world.tell(.timePassed).contains(.kill(pid: pid)))
        world.now = 41
        #expect(!world.tell(.timePassed).contains(.kill(pid: pid)))
    }

    @Test("a graceful stop drains all, replaces none, and finishes with the last")
    func gracefulStop() {
        let world = World(workers: 2)
        world.now = 5
        let pids = [world.pid(slot: 1), world.pid(slot: 2)]
        #expect(
            world.tell(.stopGracefully) == [.announceStop, .drain(pid: pids[0]), .drain(pid: pids[1]), .closeListeners]
        )
        #expect(world.tell(.grow).isEmpty)
        #expect(world.tell(.shrink).isEmpty)
        #expect(world.tell(.reload) == [.verdict(.reload, failure: "the server is about to end")])
        #expect(world.tell(.ended(pid: pids[0], reason: "")).isEmpty)
        #expect(world.tell(.ended(pid: pids[1], reason: "")) == [.finish(failure: nil)])
    }

    @Test("with a delay a stop is announced first; workers go on until it is over")
    func shutdownDelay() {
        var limits = Supervision.Limits()
        limits.shutdownDelay = 5
        let world = World(workers: 1, limits: limits)
        world.now = 10
        let pid = world.pid(slot: 1)
        #expect(world.tell(.stopGracefully) == [.announceStop])
        #expect(world.supervision.nextDeadline == 15)
        world.now = 15
        #expect(world.tell(.timePassed) == [.drain(pid: pid), .closeListeners])
        let other = World(workers: 1, limits: limits)
        other.tell(.stopGracefully)
        #expect(other.tell(.stopGracefully) == [.kill(pid: other.pid(slot: 1)), .closeListeners])
    }

    @Test("a worker that crashes while a stop is only announced is reported and replaced; others go on serving")
    func crashDuringDelay() {
        var limits = Supervision.Limits()
        limits.shutdownDelay = 60
        let world = World(workers: 1, limits: limits)
        world.now = 10
        world.tell(.stopGracefully)
        #expect(!world.supervision.expectsEnd(of: world.pid(slot: 1)))
        #expect(
            world.tell(.ended(pid: world.pid(slot: 1), reason: "was ended by signal 4"))
                == [.fork(row: 0, slot: 1, generation: 1)]
        )
        world.readyAll()
        #expect(world.supervision.serving == 1)
    }

    @Test("a fast stop says quit, a second stop kills", arguments: [Supervision.Event.stopFast, .stopGracefully])
    func fastStop(second: Supervision.Event) {
        let world = World(workers: 1)
        let pid = world.pid(slot: 1)
        #expect(world.tell(.stopFast) == [.announceStop, .quit(pid: pid), .closeListeners])
        #expect(world.tell(second) == [.kill(pid: pid), .closeListeners])
    }

    @Test("a worker that does not heed a fast stop is killed soon")
    func fastStopUnheeded() {
        let world = World(workers: 1)
        let pid = world.pid(slot: 1)
        world.tell(.stopFast)
        #expect(world.supervision.nextDeadline == 2)
        world.now = 2
        #expect(world.tell(.timePassed) == [.reportKill(row: 0, reason: "has not ended in time"), .kill(pid: pid)])
    }

    @Test("a second graceful stop kills; a fast one after a graceful one says quit")
    func escalation() {
        let first = World(workers: 1)
        first.tell(.stopGracefully)
        #expect(first.tell(.stopGracefully).first == .kill(pid: first.pid(slot: 1)))
        let second = World(workers: 1)
        second.tell(.stopGracefully)
        #expect(second.tell(.stopFast).contains(.quit(pid: second.pid(slot: 1))))
        #expect(second.tell(.stopFast).first == .kill(pid: second.pid(slot: 1)))
    }

    @Test("a stop while nothing runs finishes at once")
    func stopWhileWaiting() {
        let world = World(workers: 1)
        world.now = 0.1
        world.die(slot: 1)
        world.die(slot: 1)
        #expect(world.tell(.stopGracefully) == [.announceStop, .closeListeners, .finish(failure: nil)])
    }

    @Test("a pause drains all and starts none; a resize ends it")
    func pause() {
        let world = World(workers: 2)
        world.now = 5
        let pids = [world.pid(slot: 1), world.pid(slot: 2)]
        #expect(world.tell(.pause) == [.drain(pid: pids[0]), .drain(pid: pids[1])])
        for pid in pids { world.tell(.ended(pid: pid, reason: "")) }
        world.now = 100
        world.tell(.timePassed)
        world.now = 200
        #expect(world.tell(.timePassed).isEmpty)
        #expect(world.supervision.pids.isEmpty)
        world.tell(.grow)
        #expect(world.supervision.pids.count == 3)
    }

    @Test("a reload ends a pause")
    func pauseAndReload() {
        let world = World(workers: 2)
        world.now = 5
        world.tell(.pause)
        world.tell(.reload)
        world.tell(.checked(.configuration, failure: nil))
        world.readyAll()
        #expect(world.supervision.serving == 2)
        #expect(world.log.last == .verdict(.reload, failure: nil))
    }

    @Test("the end of a stranger is nobody's business")
    func stranger() {
        let world = World(workers: 1)
        #expect(world.tell(.ended(pid: 4711, reason: "")).isEmpty)
        #expect(world.supervision.capacity == 1)
    }
}
