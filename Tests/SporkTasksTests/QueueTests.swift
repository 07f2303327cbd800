// Queues and channels: nothing is lost, nobody is overtaken. The numbers are those of the list of behaviours.
import SporkLoop
import SporkTasks
import Testing

@Suite struct QueueTests {
    @Test("16: first in, first out, for elements and for those who wait; try forms give back and give nothing")
    func order() async {
        await #expect(processExitsWith: .success) {
            try program {
                let queue = Queue<Int>(capacity: 2)
                #expect(queue.tryReceive() == nil)
                #expect(queue.trySend(1) == nil && queue.trySend(2) == nil && queue.trySend(3) == 3)
                #expect(queue.isFull && queue.count == 2)
                let senders = (3..<6).map { number in spawn { try await queue.send(number) } }
                await settle()
                #expect(queue.statistics.waitingSenders == 3)
                for number in 1..<6 { same(try await queue.receive(), number) }
                same(await joinAll(senders).count, 3)
                var received: [String] = []
                for name in ["a", "b", "c"] { spawn { received.append("\(name)\(try await queue.receive())") } }
                await settle()
                for number in 1..<4 { #expect(queue.trySend(number) == nil) }
                await settle()
                #expect(received == ["a1", "b2", "c3"])
            }
        }
    }

    @Test("17: a receiver that is cancelled or times out just before an element comes loses nothing")
    func cancelledReceivers() async {
        await #expect(processExitsWith: .success) {
            try program {
                let queue = Queue<Int>()
                let doomed = (0..<5).map { _ in spawn { try await queue.receive() } }
                let survivor = spawn { try await queue.receive() }
                await settle()
                for coroutine in doomed { coroutine.cancel() }
                #expect(queue.trySend(42) == nil)
                same(try await survivor.value, 42)
                #expect(queue.count == 0 && queue.statistics.waitingReceivers == 0)

                // Handed over first, cancelled then: it has the element, and what it returns is not lost.
                let late = spawn { try await queue.receive() }
                await settle()
                #expect(queue.trySend(43) == nil)
                late.cancel()
                same(try await late.value, 43)

                let timed = spawn { try await queue.receive(within: .milliseconds(1)) }
                _ = await caught { try await timed.value }
                #expect(queue.trySend(44) == nil && queue.tryReceive() == 44)
            }
        }
    }

    @Test("18: senders that die while they wait leave nothing; more capacity lets senders go on")
    func cancelledSenders() async {
        await #expect(processExitsWith: .success) {
            try program {
                let queue = Queue<Int>(capacity: 1)
                try await queue.send(0)
                let senders = (1..<6).map { number in spawn { try await queue.send(number) } }
                await settle()
                senders[1].cancel()
                senders[3].cancel()
                await settle()
                queue.capacity = 3
                #expect(queue.count == 3)
                var received: [Int] = []
                while let element = queue.tryReceive() { received.append(element) }
                #expect(received == [0, 1, 3, 5])
                let thrown = await caught {
                    queue.capacity = 0
                    try await queue.send(9, within: .milliseconds(1))
                }
                #expect(thrown is TimeoutError && queue.tryReceive() == nil)
            }
        }
    }

    @Test("19: in a channel a send returns after its receive; nothing ever waits in it")
    func channel() async {
        await #expect(processExitsWith: .success) {
            try program {
                let channel = Queue<Int>(capacity: 0)
                #expect(channel.trySend(1) == 1)
                var sent = false
                let sender = spawn {
                    try await channel.send(1)
                    sent = true
                }
                await settle()
                #expect(!sent && channel.count == 0)
                #expect(channel.statistics.waitingSenders - channel.statistics.waitingReceivers == 1)
                same(try await channel.receive(), 1)
                await sender.join()
                #expect(sent)
                let receiver = spawn { try await channel.receive() }
                await settle()
                #expect(channel.statistics.waitingSenders - channel.statistics.waitingReceivers == -1)
                #expect(channel.trySend(2) == nil)
                same(try await receiver.value, 2)
                let consumer = spawn {
                    var sum = 0
                    for try await number in channel { sum += number }
                    return sum
                }
                for number in 1...1000 { try await channel.send(number) }
                channel.finish()
                same(try await consumer.value, 500_500)
            }
        }
    }

    @Test("20: waitUntilProcessed counts marks; one too many is an error; finish drains, or does not when told so")
    func processing() async {
        await #expect(processExitsWith: .success) {
            try program {
                let queue = Queue<Int>()
                for number in 0..<3 { #expect(queue.trySend(number) == nil) }
                let waiter = spawn { try await queue.waitUntilProcessed() }
                for _ in 0..<3 {
                    await settle()
                    #expect(!waiter.isFinished)
                    _ = try await queue.receive()
                    try queue.markProcessed()
                }
                try await waiter.value
                #expect(throws: QueueError.nothingToMark) { try queue.markProcessed() }

                let receivers = (0..<3).map { _ in spawn { try await queue.receive() } }
                await settle()
                queue.finish()
                for receiver in receivers {
                    same(await caught { try await receiver.value } as? QueueError, .finished)
                }
                same(await caught { try await queue.send(1) } as? QueueError, .finished)
                #expect(queue.trySend(1) == 1)

                let draining = Queue<Int>(capacity: 2)
                #expect(draining.trySend(1) == nil && draining.trySend(2) == nil)
                let stuck = spawn { try await draining.send(3) }
                await settle()
                draining.finish()
                same(await caught { try await stuck.value } as? QueueError, .finished)
                var rest: [Int] = []
                for try await element in draining { rest.append(element) }
                #expect(rest == [1, 2])

                let dropped = Queue<Int>()
                #expect(dropped.trySend(1) == nil)
                dropped.finish(discardingPending: true)
                #expect(dropped.tryReceive() == nil)
                try await dropped.waitUntilProcessed()
            }
        }
    }

    @Test("a priority queue gives the smallest first, equal ones in their order; cancelled waits lose nothing")
    func priorities() async {
        await #expect(processExitsWith: .success) {
            try program {
                let queue = PriorityQueue<Int>(capacity: 3)
                for number in [3, 1, 2] { try await queue.send(number) }
                #expect(queue.trySend(0) == 0)
                let sender = spawn { try await queue.send(0) }
                await settle()
                same(try await queue.receive(), 1)
                await sender.join()
                #expect(queue.tryReceive() == 0 && queue.tryReceive() == 2 && queue.tryReceive() == 3)
                #expect(queue.tryReceive() == nil)
                let (doomed, survivor) = (spawn { try await queue.receive() }, spawn { try await queue.receive() })
                await settle()
                doomed.cancel()
                #expect(queue.trySend(5) == nil)
                same(try await survivor.value, 5)
                same(await caught { try await queue.receive(within: .zero) } is TimeoutError, true)
            }
        }
    }

    @Test("a finished priority queue takes nothing more, gives what it has, and sends away who waits")
    func finishedPriorities() async {
        await #expect(processExitsWith: .success) {
            try program {
                let queue = PriorityQueue<Int>(capacity: 1)
                let reader = spawn {
                    var received: [Int] = []
                    for try await number in queue { received.append(number) }
                    return received
                }
                await settle()
                #expect(queue.statistics.waitingReceivers == 1)
                try await queue.send(2)
                try await queue.send(1)
                await settle()
                queue.finish()
                same(try await reader.value, [2, 1])
                same(await caught { try await queue.send(3) } as? QueueError, .finished)
                #expect(queue.trySend(3) == 3 && queue.isFinished)

                let full = PriorityQueue<Int>(capacity: 1)
                try await full.send(1)
                let sender = spawn { try await full.send(0) }
                await settle()
                #expect(full.statistics.waitingSenders == 1 && full.statistics.count == 1)
                full.finish()
                same(await caught { try await sender.value } as? QueueError, .finished)
                same(try await full.receive(), 1)
                same(await caught { try await full.receive() } as? QueueError, .finished)
            }
        }
    }

    @Test("select does one of several things; what it does not choose is not lost")
    func selecting() async {
        await #expect(processExitsWith: .success) {
            try program {
                let (numbers, texts) = (Queue<Int>(), Queue<String>())
                @MainActor func either(within limit: Duration? = nil) async throws -> String {
                    try await select(
                        .receive(from: numbers) { "number \($0 ?? -1)" },
                        .receive(from: texts) { "text \($0 ?? "none")" },
                        within: limit
                    )
                }
                #expect(texts.trySend("a") == nil)
                same(try await either(), "text a")
                #expect(numbers.trySend(1) == nil && texts.trySend("b") == nil)
                same(try await either(), "number 1")
                same(try await either(), "text b")

                let waiting = spawn { try await either() }
                await settle()
                // Both in one step: the first is taken, the second stays.
                #expect(texts.trySend("c") == nil && numbers.trySend(2) == nil)
                same(try await waiting.value, "text c")
                #expect(numbers.tryReceive() == 2)

                let cancelled = spawn { try await either() }
                await settle()
                cancelled.cancel()
                #expect(numbers.trySend(3) == nil)
                await cancelled.join()
                #expect(numbers.tryReceive() == 3)
                same(await caught { try await either(within: .milliseconds(1)) } is TimeoutError, true)

                let permits = Semaphore(permits: 0)
                let gate = Event()
                let chosen = spawn {
                    try await select(.acquire(permits) { "permit" }, .wait(for: gate) { "event" })
                }
                await settle()
                gate.set()
                permits.release()
                same(try await chosen.value, "event")
                #expect(permits.available == 1)

                let full = Queue<Int>(capacity: 0)
                let sending = spawn {
                    try await select(.send(7, to: full) { "sent" }, .receive(from: numbers) { _ in "received" })
                }
                await settle()
                #expect(full.tryReceive() == 7)
                same(try await sending.value, "sent")
                #expect(numbers.statistics.waitingReceivers == 0)
                numbers.finish()
                same(try await either(), "number -1")
            }
        }
    }

    @Test("a thousand selects, cancels and hand-overs in every order: what went in comes out, once")
    func storm() async {
        await #expect(processExitsWith: .success) {
            try program {
                let queues = (0..<3).map { _ in Queue<Int>(capacity: 2) }
                var generator = SystemRandomNumberGenerator()
                var received: [Int] = []
                var sent: [Int] = []
                var number = 0
                for round in 0..<200 {
                    var coroutines: [Coroutine<Void>] = []
                    for _ in 0..<6 {
                        number += 1
                        let (mine, queue) = (number, queues.randomElement(using: &generator))
                        guard let queue else { return }
                        coroutines.append(
                            spawn {
                                try await queue.send(mine)
                                sent.append(mine)
                            }
                        )
                        coroutines.append(
                            spawn {
                                let one = try await select(
                                    .receive(from: queues[0]) { $0 },
                                    .receive(from: queues[1]) { $0 },
                                    .receive(from: queues[2]) { $0 }
                                )
                                if let one { received.append(one) }
                            }
                        )
                    }
                    for _ in 0..<(round % 4) { await Task.yield() }
                    coroutines.shuffle(using: &generator)
                    for coroutine in coroutines.prefix(4) { coroutine.cancel() }
                    await settle()
                    for coroutine in coroutines { await coroutine.cancelAndWait() }
                }
                for queue in queues { while let element = queue.tryReceive() { received.append(element) } }
                #expect(received.sorted() == sent.sorted())
                #expect(sent.count > 100)
            }
        }
    }
}
