// Reload, upgrade, recycling and hangs, without forking.
import Testing

@testable import SporkPrefork

@Suite struct RolloutTests {
    private func reloading(_ workers: Int) -> World {
        let world = World(workers: workers)
        world.now = 10
        #expect(world.tell(.reload) == [.check(.configuration)])
        return world
    }

    @Test("a reload checks, starts one, waits for it, and rolls the rest one by one, the replacement first")
    func rollout() {
        let world = reloading(3)
        let old = (1...3).map { world.pid(slot: $0) }
        #expect(
            world.tell(.checked(.configuration, failure: nil))
                == [.prepared(generation: 2), .fork(row: 3, slot: 1, generation: 2)]
        )
        #expect(world.tell(.ready(row: 3)) == [.drain(pid: old[0]), .fork(row: 4, slot: 2, generation: 2)])
        #expect(world.supervision.serving == 3)
        #expect(world.tell(.ready(row: 4)) == [.drain(pid: old[1]), .fork(row: 5, slot: 3, generation: 2)])
        #expect(world.supervision.isChanging)
        #expect(world.tell(.ready(row: 5)) == [.drain(pid: old[2]), .verdict(.reload, failure: nil)])
        #expect(!world.supervision.isChanging)
    }

    @Test("a reload whose check fails changes nothing")
    func brokenConfiguration() {
        let world = reloading(2)
        let pids = world.supervision.pids
        #expect(
            world.tell(.checked(.configuration, failure: "no such directory"))
                == [.verdict(.reload, failure: "no such directory")]
        )
        #expect(world.supervision.pids == pids)
        #expect(world.supervision.generation == 1)
    }

    @Test("a check that takes too long is ended and has failed")
    func endlessCheck() {
        let world = reloading(1)
        world.now = 40
        let actions = world.tell(.timePassed)
        #expect(actions.prefix(2) == [.endCheck, .verdict(.reload, failure: "the check took longer than 30.0 s")])
        #expect(world.tell(.checked(.configuration, failure: nil)).isEmpty)
    }

    @Test("when the first new worker dies nothing else has been touched")
    func canaryDies() {
        let world = reloading(2)
        let old = world.supervision.pids
        world.tell(.checked(.configuration, failure: nil))
        world.log = []
        world.tell(.ended(pid: world.pid(slot: 1), reason: "ended with exit code 1"))
        #expect(
            world.log == [
                .rolledBack(generation: 2),
                .verdict(.reload, failure: "worker 1 of generation 2 ended with exit code 1"),
            ]
        )
        #expect(world.supervision.pids == old)
    }

    @Test("when a later one fails, those that were replaced get workers of the old generation, the replacement first")
    func rollsBack() {
        let world = reloading(2)
        world.tell(.checked(.configuration, failure: nil))
        world.tell(.ready(row: 2))
        let new = world.pid(slot: 1)
        world.log = []
        world.tell(.ended(pid: world.pid(slot: 2), reason: "ended with exit code 1"))
        #expect(
            world.log == [
                .rolledBack(generation: 2),
                .verdict(.reload, failure: "worker 2 of generation 2 ended with exit code 1"),
                .fork(row: 3, slot: 1, generation: 1),
            ]
        )
        #expect(world.supervision.serving == 2)
        #expect(world.tell(.ready(row: 3)) == [.drain(pid: new)])
        world.buryRetiring()
        #expect(world.supervision.serving == 2)
        // A generation that has failed is not used again.
        world.tell(.reload)
        #expect(world.tell(.checked(.configuration, failure: nil)).first == .prepared(generation: 3))
    }

    @Test("a new worker that dies while the others are replaced fails the reload, and its slot is filled at once")
    func newOneDiesLater() {
        let world = reloading(2)
        world.tell(.checked(.configuration, failure: nil))
        world.tell(.ready(row: 2))
        let (canary, next) = (world.pid(slot: 1), world.pid(slot: 2))
        world.log = []
        world.tell(.ended(pid: canary, reason: "was ended by signal 5"))
        #expect(world.log.contains(.kill(pid: next)))
        #expect(world.log.contains(.verdict(.reload, failure: "worker 1 of generation 2 was ended by signal 5")))
        #expect(world.log.contains { if case .fork(_, 1, 1) = $0 { true } else { false } })
        world.readyAll()
        world.buryRetiring()
        #expect(world.supervision.serving == 2)
    }

    @Test("an old worker that dies during a reload comes back in the old generation and is replaced in its turn")
    func oldOneDies() {
        let world = reloading(3)
        world.tell(.checked(.configuration, failure: nil))
        world.log = []
        world.die(slot: 3)
        #expect(world.log.contains { if case .fork(_, 3, 1) = $0 { true } else { false } })
        world.readyAll()
        #expect(world.log.last == .verdict(.reload, failure: nil))
        world.buryRetiring()
        #expect(world.supervision.serving == 3)
    }

    @Test("a reload cures a worker that keeps failing")
    func curesCrashLoop() {
        let world = World(workers: 1)
        world.die(slot: 1)
        world.die(slot: 1)
        world.tell(.reload)
        #expect(world.tell(.checked(.configuration, failure: nil)).last == .fork(row: 0, slot: 1, generation: 2))
        #expect(world.tell(.ready(row: 0)) == [.verdict(.reload, failure: nil)])
    }

    @Test("a reload during a reload is done after it, once")
    func twice() {
        let world = reloading(1)
        #expect(world.tell(.reload).isEmpty)
        #expect(world.tell(.reload).isEmpty)
        world.tell(.checked(.configuration, failure: nil))
        let actions = world.tell(.ready(row: 1))
        #expect(actions.suffix(2) == [.verdict(.reload, failure: nil), .check(.configuration)])
        #expect(world.tell(.checked(.configuration, failure: "broken")) == [.verdict(.reload, failure: "broken")])
    }

    @Test("a stop during a reload tells who waits for it")
    func stopDuringReload() {
        let world = reloading(1)
        world.tell(.checked(.configuration, failure: nil))
        #expect(world.tell(.stopGracefully).contains(.verdict(.reload, failure: "the server ends")))
        world.buryRetiring()
        #expect(world.log.last == .finish(failure: nil))
    }

    @Test("resizing during a reload ends with all of the new generation")
    func resizeDuringReload() {
        let world = reloading(2)
        world.tell(.checked(.configuration, failure: nil))
        world.tell(.resize(4))
        world.readyAll()
        #expect(world.log.contains(.verdict(.reload, failure: nil)))
        world.buryRetiring()
        #expect(world.supervision.snapshot.entries.allSatisfy { $0.generation == 2 })
        #expect(world.supervision.serving == 4)
    }

    @Test("an upgrade is checked, then executed; a failed check changes nothing, and so does a refused execution")
    func upgrade() {
        let world = World(workers: 1)
        #expect(world.tell(.upgrade) == [.check(.program)])
        #expect(
            world.tell(.upgrade) == [.verdict(.upgrade, failure: "another reload or upgrade is under way")]
        )
        #expect(world.tell(.checked(.program, failure: "exit 1")) == [.verdict(.upgrade, failure: "exit 1")])
        world.tell(.upgrade)
        #expect(world.tell(.checked(.program, failure: nil)) == [.execute])
        #expect(world.tell(.executeFailed(reason: "no memory")) == [.verdict(.upgrade, failure: "no memory")])
    }

    @Test("the next program adopts the workers and replaces them one by one")
    func adoption() {
        let old = World(workers: 2)
        old.now = 50
        let world = World(adopting: old.supervision.snapshot, at: 51)
        #expect(world.log == [.prepared(generation: 2), .fork(row: 2, slot: 1, generation: 2)])
        #expect(world.tell(.ready(row: 2)) == [.drain(pid: old.pid(slot: 1)), .fork(row: 3, slot: 2, generation: 2)])
        #expect(
            world.tell(.ready(row: 3)) == [.drain(pid: old.pid(slot: 2)), .verdict(.upgrade, failure: nil)]
        )
    }

    @Test("when its workers fail it goes back, and the program before replaces what it has started")
    func revert() throws {
        let old = World(workers: 2)
        let next = World(adopting: old.supervision.snapshot, at: 51)
        next.tell(.ready(row: 2))
        next.log = []
        next.tell(.ended(pid: next.pid(slot: 2), reason: "ended with exit code 1"))
        #expect(next.log.contains(.revert(reason: "worker 2 of generation 2 ended with exit code 1")))
        let again = World(adopting: try #require(next.handedOver), failure: "it failed", at: 52)
        #expect(again.log.first == .verdict(.upgrade, failure: "it failed"))
        again.readyAll()
        again.buryRetiring()
        #expect(again.supervision.serving == 2)
        #expect(again.supervision.snapshot.entries.allSatisfy { $0.generation == 1 })
    }

    @Test("whatever happens, in any order, nobody is left over and as many serve as shall", arguments: 0..<200)
    func anything(seed: Int) {
        var random = Random(state: UInt64(seed) &* 0x9E37_79B9 | 1)
        let world = World(workers: 3)
        for _ in 0..<60 {
            world.now += Double(random.next(40)) / 10
            switch random.next(13) {
            case 0: world.tell(.reload)
            case 1: world.tell(.checked(.configuration, failure: random.next(3) == 0 ? "broken" : nil))
            case 2: world.tell(.grow)
            case 3: world.tell(.shrink)
            case 4, 5: if let row = world.supervision.bootingRows.first { world.tell(.ready(row: row)) }
            case 6, 7:
                let pids = world.supervision.pids
                if !pids.isEmpty { world.tell(.ended(pid: pids[random.next(pids.count)], reason: "ended")) }
            case 8: world.buryRetiring()
            case 9: world.tell(.pause)
            case 11: if !world.supervision.isChanging { world.tell(.capacityFollows(1 + random.next(6))) }
            case 10:
                for entry in world.supervision.snapshot.entries {
                    world.tell(.observed(row: entry.row, .init(busySince: random.next(4) == 0 ? world.now - 31 : nil)))
                }
            default: world.tell(.timePassed)
            }
            for process in world.supervision.processes.values where !process.isRetiring {
                let slot = world.supervision.slots[process.slot]
                #expect(
                    slot?.current == process.row || slot?.replacement == process.row,
                    "\(process), \(world.log.suffix(12))"
                )
            }
        }
        // Now everything goes well. A change that had begun in a pause may still fail, and goes back to it.
        for _ in 0..<50 {
            if world.supervision.snapshot.isPaused { world.tell(.grow) }
            world.now += 31
            world.tell(.checked(.configuration, failure: nil))
            world.tell(.timePassed)
            world.readyAll()
            world.buryRetiring()
        }
        let entries = world.supervision.snapshot.entries
        #expect(world.supervision.serving == world.supervision.capacity)
        #expect(entries.count == world.supervision.capacity)
        #expect(entries.allSatisfy { $0.generation == world.supervision.generation })
        #expect(!world.supervision.isChanging)
        world.tell(.stopGracefully)
        world.buryRetiring()
        #expect(world.log.last == .finish(failure: nil))
    }

    @Test(
        "a reload that was asked for during an upgrade is begun by the program that takes over, once that has succeeded"
    )
    func reloadAfterHandover() {
        let world = World(workers: 1)
        world.tell(.upgrade)
        #expect(world.tell(.reload).isEmpty)
        let next = World(adopting: world.supervision.snapshot, at: 5)
        next.readyAll()
        #expect(next.log.contains(.verdict(.upgrade, failure: nil)))
        #expect(next.log.last == .check(.configuration))
    }
}

/// Numbers that look random and are the same in every run.
private struct Random {
    var state: UInt64

    mutating func next(_ limit: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % limit
    }
}
