// A hundred thousand sends, receives, selects and permits, each with a limit, a cancellation or neither, in an order that depends on the
// seed (the environment's SPORK_SEED): what went in comes out, once, and nobody is left waiting.
import Glibc
import SporkLoop
import SporkTasks

/// The same numbers for the same seed (SplitMix64).
struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

func storm() async throws {
    EventLoop.blockedLimit = nil
    let seed = getenv("SPORK_SEED").flatMap { UInt64(String(cString: $0)) } ?? 1
    var numbers = Numbers(state: seed)
    for _ in 0..<400 { try await StormRound(&numbers).run(&numbers) }
}

/// Sixty coroutines on three queues and a semaphore, disturbed all the time.
final class StormRound {
    private let queues: [Queue<Int>]
    private let semaphore = Semaphore(permits: 2)
    private var holders = 0
    private var sent: Set<Int> = []
    private var received: [Int] = []
    private var last = 0

    init(_ numbers: inout Numbers) {
        let capacities: [Int?] = [0, 1, 2, 5, nil]
        queues = (0..<3).map { _ in Queue(capacity: capacities[Int.random(in: 0..<5, using: &numbers)]) }
    }

    func run(_ numbers: inout Numbers) async throws {
        let limits: [Duration?] = [nil, .zero, .microseconds(200), .milliseconds(1)]
        var coroutines: [Coroutine<Void>] = []
        for _ in 0..<60 {
            let (kind, limit) = (
                Int.random(in: 0..<12, using: &numbers), limits[Int.random(in: 0..<4, using: &numbers)]
            )
            let (queue, other) = (
                queues[Int.random(in: 0..<3, using: &numbers)], queues[Int.random(in: 0..<3, using: &numbers)]
            )
            let times = Int.random(in: 1...8, using: &numbers)
            coroutines.append(
                spawn { [self] in
                    for _ in 0..<times { do { try await act(kind, limit, queue, other) } catch is TimeoutError {} }
                }
            )
            if Bool.random(using: &numbers) { try await checkpoint() }
            if Int.random(in: 0..<10, using: &numbers) == 0 { coroutines.randomElement(using: &numbers)?.cancel() }
            // Long enough for several limits to pass in one turn.
            if Int.random(in: 0..<20, using: &numbers) == 0 { usleep(300) }
        }
        for _ in 0..<5 {
            coroutines.shuffle(using: &numbers)
            for coroutine in coroutines.prefix(6) { coroutine.cancel() }
            try await sleep(for: .microseconds(300))
        }
        for coroutine in coroutines { await coroutine.cancelAndWait() }
        check()
    }

    private func check() {
        for queue in queues {
            while let number = queue.tryReceive() { received.append(number) }
            let waiting = queue.statistics.waitingSenders + queue.statistics.waitingReceivers
            expect(waiting == 0, "\(waiting) wait although all have ended")
        }
        expect(
            received.sorted() == sent.sorted(),
            "lost \(sent.subtracting(received)), made up \(Set(received).subtracting(sent))"
        )
        expect(semaphore.available == 2 && holders == 0, "\(semaphore.available) permits of 2")
    }

    private func number() -> Int {
        last += 1
        return last
    }

    private func hold() {
        holders += 1
        expect(holders <= 2, "\(holders) hold one of two permits")
    }

    private func act(_ kind: Int, _ limit: Duration?, _ queue: Queue<Int>, _ other: Queue<Int>) async throws {
        let number = number()
        switch kind {
        case 0, 1:
            try await queue.send(number, within: limit)
            sent.insert(number)
        case 2, 3: received.append(try await queue.receive(within: limit))
        case 4:
            try await select(
                .send(number, to: queue) {
                    self.sent.insert(number); return
                },
                .receive(from: other) { if let number = $0 { self.received.append(number) } },
                within: limit
            )
        case 5:
            try await select(
                .receive(from: queue) { if let number = $0 { self.received.append(number) } },
                .receive(from: other) { if let number = $0 { self.received.append(number) } },
                .acquire(semaphore) { self.semaphore.release() },
                within: limit
            )
        case 6: if queue.trySend(number) == nil { sent.insert(number) }
        case 7: if let number = queue.tryReceive() { received.append(number) }
        case 8:
            guard try await semaphore.acquire(within: limit ?? .seconds(100)) else { return }
            hold()
            defer {
                holders -= 1
                semaphore.release()
            }
            try await checkpoint()
        case 9:
            try await withTimeout(limit ?? .milliseconds(1)) {
                try await queue.send(number)
                self.sent.insert(number)
            }
        case 10:
            _ = try await giveUp(after: limit ?? .milliseconds(1)) { self.received.append(try await queue.receive()) }
        default:
            // Two that are no coroutines: children of a group, cancelled by it.
            nonisolated(unsafe) let (queue, other) = (queue, other)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { @MainActor @Sendable in
                    try await queue.send(number, within: limit)
                    self.sent.insert(number)
                }
                group.addTask { @MainActor @Sendable in self.received.append(try await other.receive(within: limit)) }
                try await group.next()
                group.cancelAll()
            }
        }
    }
}
