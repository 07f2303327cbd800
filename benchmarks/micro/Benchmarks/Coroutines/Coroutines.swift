// What the coroutine toolkit allocates and enqueues, counted: the same on every machine, so that thresholds mean something.
// Times are in benchmarks/coroutines. Run: swift package benchmark; check: swift package benchmark thresholds check
import Benchmark
import CAllocationCounter
import Glibc
import Spork

private nonisolated let operations = 10_000
private nonisolated let allocations = BenchmarkMetric.custom("Allocations of 10,000")
private nonisolated let enqueues = BenchmarkMetric.custom("Enqueues of 10,000")

/// Does a kind of work often, on a loop of its own, and counts.
///
/// In a child process, because a process has one loop and this one belongs to the benchmark's runner.
private nonisolated func count(_ benchmark: Benchmark, _ work: @escaping @MainActor (_ times: Int) async throws -> Void)
{
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { fatalError("pipe: \(String(cString: strerror(errno)))") }
    let child = fork_here()
    if child == 0 {
        let counts = try? EventLoop.run {
            EventLoop.blockedLimit = nil
            try await work(operations)
            let before = (allocation_count(), EventLoop.statistics.jobsEnqueued)
            try await work(operations)
            return [allocation_count() - before.0, EventLoop.statistics.jobsEnqueued - before.1]
        }
        guard let counts, write(ends[1], counts, 16) == 16 else { _exit(1) }
        _exit(0)
    }
    close(ends[1])
    var counts: [UInt64] = [0, 0]
    let received = read(ends[0], &counts, 16)
    close(ends[0])
    var status: Int32 = 0
    guard waitpid(child, &status, 0) == child, status == 0, received == 16 else {
        return benchmark.error("the child has failed")
    }
    benchmark.measurement(allocations, Int(counts[0]))
    benchmark.measurement(enqueues, Int(counts[1]))
}

// Names without spaces: thresholds are looked for under the very name.
nonisolated let benchmarks: @Sendable () -> Void = {
    // What the loop itself allocates now and then, and nothing that grows with the work.
    let spare = BenchmarkThresholds(absolute: [.p90: 50])
    Benchmark.defaultConfiguration = .init(
        metrics: [allocations, enqueues],
        warmupIterations: 0,
        maxIterations: 3,
        thresholds: [allocations: spare, enqueues: spare]
    )

    Benchmark("spawn-and-join") { benchmark in
        count(benchmark) { times in
            for _ in 0..<times { await spawn {}.join() }
        }
    }

    Benchmark("yield") { benchmark in
        count(benchmark) { times in
            let other = spawn { for _ in 0..<times { try await checkpoint() } }
            for _ in 0..<times { try await checkpoint() }
            await other.join()
        }
    }

    Benchmark("channel") { benchmark in
        count(benchmark) { times in
            let channel = Queue<Int>(capacity: 0)
            let sender = spawn { for number in 0..<times { try await channel.send(number) } }
            for _ in 0..<times { _ = try await channel.receive() }
            await sender.join()
        }
    }

    Benchmark("queue-of-100") { benchmark in
        count(benchmark) { times in
            let queue = Queue<Int>(capacity: 100)
            let sender = spawn { for number in 0..<times { try await queue.send(number) } }
            for _ in 0..<times { _ = try await queue.receive() }
            await sender.join()
        }
    }

    Benchmark("switch-there-and-back") { benchmark in
        count(benchmark) { times in
            let echo = Greenlet<Int, Int> { heard, caller in
                var heard = heard
                while true { heard = try await caller.switch(heard) }
            }
            for number in 0..<times { _ = try await echo.switch(number) }
        }
    }

    Benchmark("timer-set-and-cancelled") { benchmark in
        count(benchmark) { times in
            let timer = LoopTimer {}
            for _ in 0..<times {
                timer.start(after: .seconds(10))
                timer.stop()
            }
        }
    }

    Benchmark("sleep-of-no-time") { benchmark in
        count(benchmark) { times in
            for _ in 0..<times { try await sleep(for: .zero) }
        }
    }

    Benchmark("time-limit-that-is-kept") { benchmark in
        count(benchmark) { times in
            for _ in 0..<times { try await withTimeout(.seconds(10)) {} }
        }
    }

    Benchmark("permit-in-turns") { benchmark in
        count(benchmark) { times in
            let semaphore = Semaphore(permits: 1)
            func work() async throws {
                for _ in 0..<times / 2 { try await semaphore.withPermit { try await checkpoint() } }
            }
            let other = spawn { try await work() }
            try await work()
            await other.join()
        }
    }
}
