// Spork's side of benchmarks/coroutines: does one kind of work and prints what it took. Its peers beside it do the same, as each
// of them would have it written: coroutine-costs KIND COUNT
import Glibc
import Spork

/// Processor time of this process, in nanoseconds.
func processorTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}

func spawnJoin(_ count: Int) async throws {
    for _ in 0..<count { await spawn {}.join() }
}

func yield(_ count: Int) async throws {
    let other = spawn { for _ in 0..<count / 2 { try await checkpoint() } }
    for _ in 0..<count / 2 { try await checkpoint() }
    await other.join()
}

func channel(_ count: Int) async throws {
    let channel = Queue<Int>(capacity: 0)
    let sender = spawn { for number in 0..<count { try await channel.send(number) } }
    var sum = 0
    for _ in 0..<count { sum &+= try await channel.receive() }
    await sender.join()
    precondition(sum == count * (count - 1) / 2)
}

func switching(_ count: Int) async throws {
    let echo = Greenlet<Int, Int> { heard, caller in
        var heard = heard
        while true { heard = try await caller.switch(heard) }
    }
    for number in 0..<count {
        let answer = try await echo.switch(number)
        precondition(answer == number)
    }
}

func timer(_ count: Int) async throws {
    for _ in 0..<count {
        let timer = LoopTimer { fatalError("a timer of ten seconds has fired") }
        timer.start(after: .seconds(10))
        timer.stop()
    }
}

func sleepers(_ count: Int) async throws {
    let all = (0..<count).map { _ in spawn { try await sleep(for: .milliseconds(500)) } }
    for one in all { await one.join() }
}

let kinds = [
    "spawn_join": spawnJoin, "yield": yield, "channel": channel, "switch": switching, "timer": timer,
    "sleepers": sleepers,
]
guard CommandLine.arguments.count == 3, let work = kinds[CommandLine.arguments[1]],
    let count = Int(CommandLine.arguments[2]), count > 0
else {
    print("usage: coroutine-costs KIND COUNT, with KIND one of \(kinds.keys.sorted().joined(separator: ", "))")
    exit(2)
}

try EventLoop.run {
    EventLoop.blockedLimit = nil
    try await work(count / 10 + 1)
    let start = processorTime()
    try await work(count)
    print((processorTime() - start) / Double(count))
}
