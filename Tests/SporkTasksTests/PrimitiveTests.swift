// Events, promises, semaphores, pools, maps, greenlets and offloading. The numbers are those of the list of behaviours.
import CSporkShims
import Glibc
import SporkLoop
import SporkTasks
import Testing

@Suite struct PrimitiveTests {
    @Test("21: set and clear without a step between wake all thousand; who comes late to a set event goes after them")
    func events() async {
        await #expect(processExitsWith: .success) {
            try program {
                let event = Event()
                var order: [Int] = []
                let waiters = (0..<1000).map { number in
                    spawn {
                        try await event.wait()
                        order.append(number)
                    }
                }
                await settle()
                event.set()
                event.clear()
                same(await joinAll(waiters).count, 1000)
                #expect(order == Array(0..<1000))
                same(try await event.wait(within: .milliseconds(1)), false)

                order = []
                let early = spawn {
                    try await event.wait()
                    order.append(1)
                }
                await settle()
                event.set()
                try await event.wait()
                order.append(2)
                await early.join()
                #expect(order == [1, 2])
                event.clear()
                let cancelled = spawn { try await event.wait() }
                await settle()
                await cancelled.cancelAndWait()
                #expect(event.statistics.waiting == 0)
            }
        }
    }

    @Test("22: all who wait for a promise get the same; a second value is ignored; a time limit leaves it open")
    func promises() async {
        await #expect(processExitsWith: .success) {
            try program {
                let promise = Promise<Int>()
                same(await caught { try await promise.value(within: .milliseconds(1)) } is TimeoutError, true)
                let waiters = (0..<100).map { _ in spawn { try await promise.value } }
                await settle()
                #expect(promise.fulfill(8) && !promise.fulfill(9) && !promise.fail(Failure.first))
                for waiter in waiters { same(try await waiter.value, 8) }
                let broken = Promise<Int>()
                let disappointed = (0..<3).map { _ in spawn { try await broken.value } }
                await settle()
                #expect(broken.fail(Failure.second))
                for waiter in disappointed {
                    same(await caught { try await waiter.value } as? Failure, .second)
                }
            }
        }
    }

    @Test("23: a semaphore is fair, tells when the time is over, and loses no permit to the cancelled")
    func semaphores() async {
        await #expect(processExitsWith: .success) {
            try program {
                let semaphore = Semaphore(permits: 1)
                #expect(semaphore.tryAcquire() && !semaphore.tryAcquire())
                same(try await semaphore.acquire(within: .milliseconds(1)), false)
                let two = (0..<2).map { _ in spawn { try await semaphore.acquire() } }
                await settle()
                semaphore.release()
                semaphore.release()
                same(await joinAll(two).count, 2)

                var turns = 0
                let patient = spawn {
                    try await semaphore.acquire()
                    return turns
                }
                await settle()
                for _ in 0..<10 {
                    semaphore.release()
                    try await semaphore.acquire(within: .milliseconds(50))
                        ? turns += 1 : #expect(patient.isFinished)
                    if patient.isFinished { break }
                }
                same(try await patient.value <= 1, true)

                let other = Semaphore(permits: 0)
                let doomed = spawn { try await other.acquire() }
                await settle()
                doomed.cancel()
                other.release()
                await doomed.join()
                #expect(other.available == 1)
                let lucky = spawn { try await other.acquire() }
                await lucky.join()
                let third = spawn { try await other.acquire() }
                await settle()
                other.release()
                third.cancel()
                await third.join()
                #expect(word(third) == "finished")
                #expect(other.available == 0)
            }
        }
    }

    @Test("24: never more than its limit run in a pool; a pool of none starts nothing; draining ends with cancelling")
    func pools() async {
        await #expect(processExitsWith: .success) {
            try program {
                let pool = CoroutinePool(limit: 3)
                var (running, most) = (0, 0)
                for _ in 0..<20 {
                    try await pool.spawn {
                        running += 1
                        most = max(most, running)
                        try await sleep(for: .milliseconds(1))
                        running -= 1
                    }
                }
                try await pool.join()
                #expect(most == 3 && running == 0 && pool.count == 0)
                for _ in 0..<3 { try await pool.spawn { try await sleep(for: .seconds(1000)) } }
                #expect(pool.isFull && pool.trySpawn {} == nil)
                let fourth = spawn { try await pool.spawn {} }
                await settle()
                #expect(!fourth.isFinished)
                await fourth.cancelAndWait()
                same(try await pool.drain(within: .milliseconds(5)), 3)
                #expect(pool.count == 0 && !pool.isFull)
                let none = CoroutinePool(limit: 0)
                #expect(none.isFull)
                let refused = try await giveUp(after: .milliseconds(5)) { try await none.spawn {} }
                #expect(refused == nil)
                let unlimited = CoroutinePool()
                for _ in 0..<100 { try await unlimited.spawn { throw Failure.first }.join() }
                #expect(unlimited.count == 0)
            }
        }
    }

    @Test("25: mapConcurrently keeps the order, is bounded, and an error surfaces at its element")
    func maps() async {
        await #expect(processExitsWith: .success) {
            try program {
                var started = 0
                let squares = (1...10).mapConcurrently(limit: 3) { number in
                    started += 1
                    try await sleep(for: .milliseconds(number % 3))
                    return number * number
                }
                var results: [Int] = []
                for try await square in squares {
                    results.append(square)
                    #expect(started <= results.count + 3)
                }
                #expect(results == (1...10).map { $0 * $0 })

                var unordered: [Int] = []
                for try await time in [30, 10, 20].mapConcurrently(
                    limit: 3,
                    isOrdered: false,
                    { time in
                        try await sleep(for: .milliseconds(time))
                        return time
                    }
                ) { unordered.append(time) }
                #expect(unordered == [10, 20, 30])

                var before: [Int] = []
                let thrown = await caught {
                    for try await number in (1...5).mapConcurrently(
                        limit: 2,
                        { number in
                            if number == 3 { throw Failure.first }
                            return number
                        }
                    ) { before.append(number) }
                }
                #expect(thrown as? Failure == .first && before == [1, 2])

                started = 0
                for try await _ in (1...100).mapConcurrently(
                    limit: 4,
                    { _ in
                        started += 1
                        try await sleep(for: .milliseconds(1))
                    }
                ) { break }
                await settle()
                #expect(started <= 5 && EventLoop.statistics.coroutines == 1)
            }
        }
    }

    @Test(
        "25: an asynchronous sequence is mapped in its order or as results come; its own error surfaces at its place; it is not run ahead of"
    )
    func asynchronousMaps() async {
        await #expect(processExitsWith: .success) {
            try program {
                var pulled = 0
                let numbers = Generator<Int> { yield in
                    for number in 1...6 {
                        pulled = number
                        try await yield(number)
                    }
                    throw Failure.first
                }
                for isOrdered in [true, false] {
                    pulled = 0
                    var results: [Int] = []
                    let map = numbers.mapConcurrently(limit: 3, isOrdered: isOrdered) { number in
                        // The later ones are ready first.
                        try await sleep(for: .milliseconds(20 - 3 * number))
                        return number * number
                    }
                    let iterator = map.makeAsyncIterator()
                    await settle()
                    same(pulled, 0)
                    let error = await caught {
                        while let result = try await iterator.next() {
                            results.append(result)
                            #expect(pulled <= results.count + 4, "the sequence was run ahead of")
                        }
                    }
                    same(error as? Failure, .first)
                    if isOrdered {
                        same(results, [1, 4, 9, 16, 25, 36])
                    } else {
                        #expect(Set(results).isSubset(of: [1, 4, 9, 16, 25, 36]))
                    }
                    let end = try await iterator.next()
                    #expect(end == nil)
                }
                await settle()
                same(EventLoop.statistics.coroutines, 1)

                let queue = Queue<Int>()
                for number in 0..<5 { _ = queue.trySend(number) }
                queue.finish()
                var doubled: [Int] = []
                for try await number in queue.mapConcurrently(limit: 2, isOrdered: false, { $0 * 2 }) {
                    doubled.append(number)
                }
                same(doubled.sorted(), [0, 2, 4, 6, 8])
            }
        }
    }

    @Test("a greenlet is switched to with a value and switches back with one; its end and its error come out")
    func greenlets() async {
        await #expect(processExitsWith: .success) {
            try program {
                let parrot = Greenlet<String, String> { heard, caller in
                    var heard = heard
                    while heard != "bye" { heard = try await caller.switch("you said \(heard)") }
                    return "the end"
                }
                same(try await parrot.switch("one"), "you said one")
                same(try await parrot.switch("two"), "you said two")
                same(try await parrot.switch("bye"), "the end")
                #expect(parrot.isFinished)
                same(await caught { try await parrot.switch("more") } as? GreenletError, .finished)
                let broken = Greenlet<Int, Int> { _, _ in throw Failure.first }
                same(await caught { try await broken.switch(1) } as? Failure, .first)

                var cleanedUp = false
                var dropped: Greenlet<Int, Int>? = Greenlet { _, caller in
                    defer { cleanedUp = true }
                    while true { _ = try await caller.switch(0) }
                }
                same(try await dropped?.switch(1), 0)
                dropped = nil
                await settle()
                #expect(cleanedUp && EventLoop.statistics.coroutines == 1)

                let fibonacci = Generator<Int> { yield in
                    var (a, b) = (0, 1)
                    while true {
                        try await yield(a)
                        (a, b) = (b, a + b)
                    }
                }
                var numbers: [Int] = []
                for try await number in fibonacci {
                    numbers.append(number)
                    if numbers.count == 10 { break }
                }
                #expect(numbers == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34])
                await settle()
                #expect(EventLoop.statistics.coroutines == 1)
            }
        }
    }

    @Test("blocking calls run on other threads, a few at a time, and the loop goes on meanwhile")
    func offloading() async {
        await #expect(processExitsWith: .success) {
            try program {
                let loopThread = pthread_self()
                let threadsBefore = spork_thread_count()
                var ticks = 0
                let ticker = spawn {
                    while true {
                        ticks += 1
                        try await sleep(for: .milliseconds(1))
                    }
                }
                let calls = (0..<20).map { number in
                    spawn {
                        try await offload {
                            usleep(20_000)
                            return number
                        }
                    }
                }
                same(try await values(of: calls), Array(0..<20))
                #expect(ticks > 10)
                same(try await offload { pthread_self() } != loopThread, true)
                same(await caught { try await offload { throw Failure.second } } as? Failure, .second)
                #expect(Int(spork_thread_count() - threadsBefore) <= Offload.mostThreads)
                await ticker.cancelAndWait()
            }
        }
    }
}
