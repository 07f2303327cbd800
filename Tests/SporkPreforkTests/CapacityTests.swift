// Reloads that change the number of workers, and reloads of a server that is paused, without forking.
import Testing

@testable import SporkPrefork

@Suite struct CapacityTests {
    private func reloading(_ workers: Int, to count: Int) -> World {
        let world = World(workers: workers)
        world.now = 10
        world.tell(.reload)
        world.tell(.capacityFollows(count))
        world.tell(.checked(.configuration, failure: nil))
        return world
    }

    @Test("more workers come when the old ones are replaced, and the verdict when all of them serve")
    func grows() {
        let world = reloading(1, to: 3)
        #expect(world.tell(.ready(row: 1)).last == .fork(row: 2, slot: 2, generation: 2))
        #expect(world.tell(.ready(row: 2)) == [.fork(row: 3, slot: 3, generation: 2)])
        #expect(world.supervision.isChanging)
        #expect(world.tell(.ready(row: 3)) == [.verdict(.reload, failure: nil)])
        #expect(world.supervision.capacity == 3 && world.supervision.serving == 3)
    }

    @Test("one that comes and cannot serve fails the reload, and those that came with it go")
    func growthFails() {
        let world = reloading(1, to: 3)
        world.tell(.ready(row: 1))
        world.tell(.ready(row: 2))
        world.log = []
        let added = world.pid(slot: 2)
        world.tell(.ended(pid: world.pid(slot: 3), reason: "ended with exit code 1"))
        #expect(world.log.first == .rolledBack(generation: 2))
        #expect(world.log.contains(.drain(pid: added)))
        #expect(world.log.contains(.verdict(.reload, failure: "worker 3 of generation 2 ended with exit code 1")))
        world.readyAll()
        world.buryRetiring()
        #expect(world.supervision.capacity == 1 && world.supervision.serving == 1)
        // The next reload knows nothing of it.
        world.tell(.reload)
        world.tell(.checked(.configuration, failure: nil))
        world.readyAll()
        #expect(world.supervision.capacity == 1)
    }

    @Test("fewer workers are left when all of the new generation serve")
    func shrinks() {
        let world = reloading(3, to: 1)
        world.readyAll()
        #expect(world.log.contains(.verdict(.reload, failure: nil)))
        world.buryRetiring()
        #expect(world.supervision.capacity == 1 && world.supervision.serving == 1)
        #expect(world.supervision.generation == 2)
    }

    @Test("a reload that fails leaves a paused server paused")
    func paused() {
        let world = World(workers: 2)
        world.now = 10
        world.tell(.pause)
        world.buryRetiring()
        world.tell(.reload)
        world.tell(.checked(.configuration, failure: nil))
        world.tell(.ended(pid: world.supervision.pids[0], reason: "ended with exit code 1"))
        #expect(world.log.contains(.verdict(.reload, failure: "worker 1 of generation 2 ended with exit code 1")))
        world.buryRetiring()
        #expect(world.supervision.isPaused && world.supervision.pids.isEmpty)
        world.now = 100
        world.tell(.timePassed)
        #expect(world.supervision.pids.isEmpty)
        // And one that succeeds ends the pause.
        world.tell(.reload)
        world.tell(.checked(.configuration, failure: nil))
        world.readyAll()
        #expect(!world.supervision.isPaused && world.supervision.serving == 2)
    }

    @Test("an upgrade that is refused because of a reload does not touch the reload")
    func refusal() {
        let world = World(workers: 2)
        world.now = 10
        world.tell(.reload)
        world.tell(.checked(.configuration, failure: nil))
        #expect(
            world.tell(.upgrade) == [.verdict(.upgrade, failure: "another reload or upgrade is under way")]
        )
        world.readyAll()
        #expect(world.log.last == .verdict(.reload, failure: nil))
    }
}
