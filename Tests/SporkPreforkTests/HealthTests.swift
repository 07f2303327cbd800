// Workers that hang, and workers that are replaced although they are well, without forking.
import SporkPrefork
import Testing

@Suite struct HealthTests {
    /// Looks at all workers as the master does, and gives what followed.
    private func look(_ world: World, _ observation: Supervision.Observation) -> [Supervision.Action] {
        let actions = world.tell(.timePassed)
        guard actions.contains(.observe) else { return actions }
        let rows = world.supervision.snapshot.entries.filter { $0.role == .ready }.map(\.row)
        return actions + rows.flatMap { world.tell(.observed(row: $0, observation)) }
    }

    /// Lets time pass as it does for a master that wakes when it has asked to.
    private func pass(
        _ world: World,
        until end: Double,
        _ observation: (Double) -> Supervision.Observation
    )
        -> [Supervision.Action]
    {
        var all: [Supervision.Action] = []
        while let deadline = world.supervision.nextDeadline, deadline <= end {
            world.now = max(world.now, deadline)
            let actions = look(world, observation(world.now))
            all += actions
            if actions.contains(where: { if case .abort = $0 { true } else { false } }) { return all }
        }
        world.now = end
        return all
    }

    @Test("a worker whose loop does not turn is reported, aborted and replaced when the limit is reached, no later")
    func hang() {
        let world = World(workers: 1)
        let pid = world.pid(slot: 1)
        let actions = pass(world, until: 100) { _ in .init(busySince: 3.25) }
        #expect(world.now == 33.25)
        #expect(
            actions.suffix(3) == [
                .reportHang(row: 0, seconds: 30), .abort(pid: pid), .fork(row: 1, slot: 1, generation: 1),
            ]
        )
        world.now += 0.5
        #expect(world.tell(.timePassed).contains(.kill(pid: pid)))
        #expect(world.supervision.expectsEnd(of: pid))
    }

    @Test("a worker that waits for something to do, or turns, never hangs")
    func noHang() {
        let world = World(workers: 1)
        #expect(!pass(world, until: 200) { _ in .init() }.contains { if case .abort = $0 { true } else { false } })
        #expect(
            !pass(world, until: 400) { .init(busySince: $0 - 20) }.contains {
                if case .abort = $0 { true } else { false }
            }
        )
    }

    @Test("a worker that was stopped is given its time again from when it goes on")
    func stopped() {
        let world = World(workers: 1)
        let first = pass(world, until: 100) { _ in .init(busySince: 3, isStopped: true) }
        #expect(!first.contains { if case .abort = $0 { true } else { false } })
        _ = pass(world, until: 200) { _ in .init(busySince: 3) }
        #expect(world.now >= 129 && world.now <= 131)
    }

    @Test("nobody is blamed when the master itself has slept too long: then the whole machine did")
    func suspended() {
        let world = World(workers: 1)
        _ = pass(world, until: 10) { _ in .init(busySince: 9) }
        world.now = 5000
        #expect(!look(world, .init(busySince: 9)).contains { if case .abort = $0 { true } else { false } })
        let actions = pass(world, until: 6000) { _ in .init(busySince: 9) }
        #expect(world.now == 5030)
        #expect(actions.contains(.reportHang(row: 0, seconds: 30)))
    }

    @Test("without a limit nobody is looked at")
    func off() {
        var limits = Supervision.Limits()
        limits.hang = nil
        #expect(World(workers: 1, limits: limits).supervision.nextDeadline == nil)
    }

    @Test("a new worker that hangs during a reload fails it")
    func hangDuringReload() {
        var limits = Supervision.Limits()
        limits.hang = 10
        let world = World(workers: 2, limits: limits)
        world.tell(.reload)
        world.tell(.checked(.configuration, failure: nil))
        world.tell(.ready(row: 2))
        for second in 1...11 {
            world.now = Double(second)
            if world.tell(.timePassed).contains(.observe) { world.tell(.observed(row: 2, .init(busySince: 1))) }
        }
        #expect(world.log.contains(.verdict(.reload, failure: "worker 1 of generation 2 did not get on for 10 s")))
    }

    @Test("workers that have answered enough are replaced, the replacement first, one at a time")
    func requests() {
        var limits = Supervision.Limits()
        limits.requests = 1000
        let world = World(workers: 2, limits: limits)
        let old = [world.pid(slot: 1), world.pid(slot: 2)]
        world.now = 1
        world.tell(.timePassed)
        #expect(world.tell(.observed(row: 0, .init(requests: 999))).isEmpty)
        #expect(
            world.tell(.observed(row: 0, .init(requests: 1000)))
                == [
                    .fork(row: 2, slot: 1, generation: 1),
                    .reportRecycling(row: 0, reason: "has answered 1000 requests"),
                ]
        )
        // The second slot has one in a hundred more, and waits for the first.
        #expect(world.tell(.observed(row: 1, .init(requests: 1009))).isEmpty)
        #expect(world.tell(.observed(row: 1, .init(requests: 1010))).isEmpty)
        #expect(world.supervision.serving == 2)
        let actions = world.tell(.ready(row: 2))
        #expect(actions.first == .drain(pid: old[0]))
        #expect(actions.contains(.fork(row: 3, slot: 2, generation: 1)))
        #expect(world.tell(.ready(row: 3)) == [.drain(pid: old[1])])
        #expect(world.supervision.serving == 2)
    }

    @Test("age and memory are reasons, too")
    func ageAndMemory() {
        var limits = Supervision.Limits()
        (limits.age, limits.memory) = (3600, 100 << 20)
        let world = World(workers: 1, limits: limits)
        world.now = 10
        #expect(world.tell(.observed(row: 0, .init(memory: 99 << 20))).isEmpty)
        #expect(
            world.tell(.observed(row: 0, .init(memory: 100 << 20))).last
                == .reportRecycling(row: 0, reason: "has 100 MiB of memory of its own")
        )
        world.readyAll()
        world.buryRetiring()
        world.now = 3700
        #expect(
            world.tell(.observed(row: 1, .init())).last == .reportRecycling(row: 1, reason: "is 3690 s old")
        )
    }

    @Test("when a replacement fails the worker goes on serving, and it is tried again later")
    func replacementFails() {
        var limits = Supervision.Limits()
        limits.requests = 10
        let world = World(workers: 1, limits: limits)
        let pid = world.pid(slot: 1)
        world.now = 5
        world.tell(.observed(row: 0, .init(requests: 10)))
        world.log = []
        world.die(slot: 1, "ended with exit code 1")
        #expect(world.supervision.pids == [pid])
        #expect(world.log.isEmpty)
        world.now = 15
        #expect(world.tell(.timePassed).contains(.fork(row: 1, slot: 1, generation: 1)))
    }
}
