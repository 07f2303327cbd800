// What the loop promises as Swift's executor: the points of the toolchain that everything above depends on. Each runs in
// a process of its own (an exit test), because a process has one loop and the test runner owns its own process's executors.
import CSporkShims
import Glibc
import SporkLoop
import SporkTasks
import Testing

private actor Counter {
    var value = 0
    func add() { value += 1 }
}

@concurrent private func elsewhere(_ value: Int) async -> Int { value + 1 }
private nonisolated func nearby(_ value: Int) async -> Int { value + 1 }

private nonisolated func resumeFromAnotherThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    usleep(500)
    let continuation = context?.assumingMemoryBound(to: UnsafeContinuation<Void, Never>.self)
    continuation?.pointee.resume()
    continuation?.deallocate()
    return nil
}

@Suite struct ExecutorTests {
    @Test("yield, sleeps, main actor, actors, async let and groups all run on the loop's thread")
    func everythingOnOneThread() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let thread = pthread_self()
                for _ in 0..<10_000 { await Task.yield() }
                for _ in 0..<1000 { try await Task.sleep(for: .zero) }
                for _ in 0..<50 { try await Task.sleep(for: .milliseconds(1)) }
                for _ in 0..<50 { try await Task.sleep(nanoseconds: 1000) }
                try await ContinuousClock().sleep(until: .now + .milliseconds(2))
                try await SuspendingClock().sleep(until: .now + .milliseconds(2))
                let counter = Counter()
                for _ in 0..<10_000 { await counter.add() }
                #expect(await counter.value == 10_000)
                let detached = Task.detached { @MainActor in pthread_self() == thread }
                #expect(await detached.value)
                #expect(await Task.detached { await elsewhere(1) }.value == 2)
                let sum = await withTaskGroup(of: Int.self) { group in
                    for number in 0..<1000 {
                        group.addTask {
                            await Task.yield()
                            return number
                        }
                    }
                    var sum = 0
                    for await number in group { sum += number }
                    return sum
                }
                #expect(sum == 499_500)
                async let first = elsewhere(1)
                async let second = elsewhere(2)
                #expect(await first + second == 5)
                #expect(pthread_self() == thread)
            }
            exit(0)
        }
    }

    @Test("calls of nonisolated async functions and hops to the main actor enqueue nothing")
    func hopsAreFree() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                await Task.yield()
                let before = EventLoop.statistics.jobsEnqueued
                var value = 0
                for _ in 0..<1000 { value = await nearby(value) }
                for _ in 0..<1000 { value = await elsewhere(value) }
                for _ in 0..<1000 { await MainActor.run { value += 1 } }
                #expect(value == 3000)
                #expect(EventLoop.statistics.jobsEnqueued - before == 0)
            }
            exit(0)
        }
    }

    @Test("the main actor's assertions hold inside every kind of task")
    func mainActorIsTheLoop() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                MainActor.assertIsolated()
                MainActor.preconditionIsolated()
                await Task { MainActor.preconditionIsolated() }.value
                await Task.detached { await MainActor.run { MainActor.preconditionIsolated() } }.value
                let timed = Event()
                let timer = LoopTimer { MainActor.assumeIsolated { timed.set() } }
                timer.start(after: .milliseconds(1))
                try await timed.wait()
            }
            exit(0)
        }
    }

    @Test("a hundred thousand sleeping tasks are cancelled at once, and their memory can be used again")
    func cancelledSleepers() async {
        await #expect(processExitsWith: .success) {
            // What is resident at a moment depends on when the allocator gives memory back; the most there ever was does not.
            func mostKilobytes() -> Int {
                var usage = rusage()
                getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
                return usage.ru_maxrss
            }
            try EventLoop.run {
                @MainActor func round() async {
                    let sleepers = (0..<100_000).map { _ in spawn { try await sleep(for: .seconds(3600)) } }
                    await Task.yield()
                    for sleeper in sleepers { sleeper.cancel() }
                    for sleeper in sleepers {
                        do {
                            try await sleeper.value
                            Issue.record("a cancelled sleeper went on")
                        } catch { #expect(error is CancellationError) }
                    }
                }
                await round()
                let first = mostKilobytes()
                await round()
                await round()
                let grown = mostKilobytes() - first
                // A leak would double it at least.
                #expect(grown < first / 2, "\(first) kB grew by \(grown) kB")
            }
            exit(0)
        }
    }

    @Test("a job that another thread enqueues wakes the loop")
    func foreignThread() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let loopThread = pthread_self()
                for _ in 0..<200 {
                    await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                        let context = UnsafeMutablePointer<UnsafeContinuation<Void, Never>>.allocate(capacity: 1)
                        context.initialize(to: continuation)
                        var thread = pthread_t()
                        pthread_create(&thread, nil, resumeFromAnotherThread, context)
                        pthread_detach(thread)
                    }
                    #expect(pthread_self() == loopThread)
                }
            }
            exit(0)
        }
    }

    @Test("async let: an error thrown by one ends the other and arrives once")
    func asyncLetThrows() async {
        await #expect(processExitsWith: .success) {
            struct Failure: Error {}
            @Sendable @MainActor func fail() async throws -> Int {
                try await sleep(for: .milliseconds(1))
                throw Failure()
            }
            @Sendable @MainActor func long() async throws -> Int {
                try await sleep(for: .seconds(3600))
                return 1
            }
            try EventLoop.run {
                for _ in 0..<10 {
                    do {
                        async let other = long()
                        async let failing = fail()
                        _ = try await failing + other
                        Issue.record("nothing was thrown")
                    } catch { #expect(error is Failure) }
                }
            }
            exit(0)
        }
    }

    @Test("without the runtime's hooks, by the executor factory alone, the results are the same")
    func factoryAlone() async {
        await #expect(processExitsWith: .success) {
            setenv("SPORK_LOOP_HOOKS", "0", 1)
            try EventLoop.run {
                let thread = pthread_self()
                MainActor.preconditionIsolated()
                for _ in 0..<10_000 { await Task.yield() }
                for _ in 0..<50 { try await Task.sleep(for: .milliseconds(1)) }
                let counter = Counter()
                for _ in 0..<1000 { await counter.add() }
                #expect(await counter.value == 1000)
                var value = 0
                for _ in 0..<1000 { value = await elsewhere(value) }
                #expect(value == 1000)
                let sum = await withTaskGroup(of: Int.self) { group in
                    for number in 0..<1000 {
                        group.addTask {
                            await Task.yield()
                            return number
                        }
                    }
                    var sum = 0
                    for await number in group { sum += number }
                    return sum
                }
                #expect(sum == 499_500)
                try await sleep(for: .milliseconds(1))
                #expect(pthread_self() == thread)
            }
            exit(0)
        }
    }

    @Test("in forked children, several at once, each process has one thread")
    func forkedChildren() async throws {
        // A process of its own that has no other threads: the runner's child has, so the children are asked.
        await #expect(processExitsWith: .success) {
            let children = (0..<4).map { _ -> pid_t in
                let pid = spork_fork()
                guard pid == 0 else { return pid }
                do {
                    let threads = try EventLoop.run { () -> Int in
                        for _ in 0..<10_000 { await Task.yield() }
                        for _ in 0..<20 { try await Task.sleep(for: .milliseconds(1)) }
                        let counter = Counter()
                        for _ in 0..<1000 { await counter.add() }
                        await withDiscardingTaskGroup { group in
                            for _ in 0..<100 { group.addTask { await Task.yield() } }
                        }
                        guard let directory = opendir("/proc/self/task") else { return 0 }
                        defer { closedir(directory) }
                        var count = 0
                        while readdir(directory) != nil { count += 1 }
                        return count - 2
                    }
                    _exit(threads == 1 ? 0 : 2)
                } catch { _exit(3) }
            }
            for child in children {
                var status: Int32 = 0
                waitpid(child, &status, 0)
                #expect(status == 0)
            }
            exit(0)
        }
    }
}
