// What can only be seen in a process that has no Swift task but the loop's: exit tests run inside one of the test runner's. Run by
// Tests/BlackBox/test_loop.py: loop-probe NAME does one thing and prints "ok"; without a name it lists them.
import CSporkShims
import Glibc
import SporkLoop
import SporkTasks

let probes: [String: @MainActor () async throws -> Void] = [
    "everything on one thread": everythingOnOneThread,
    "the runtime's waits after ours": nativeWaitsAfterOurs,
    "actors keep their isolation": actorsKeepIsolation,
    "a deadlock after blocking calls": deadlockAfterOffload,
    "a deadlock beside signals nobody waits for": deadlockBesideSignals,
    "a deadlock beside a descriptor that was waited for": deadlockBesideDescriptor,
    "storm": storm,
]

let forked = "four children"
let name = CommandLine.arguments.dropFirst().joined(separator: " ")
if name == forked {
    forkChildren()
} else if let probe = probes[name] {
    do {
        try EventLoop.run(probe)
        print("ok")
    } catch {
        print("\(type(of: error))")
    }
} else {
    print((probes.keys + [forked]).sorted().joined(separator: "\n"))
}

nonisolated func expect(_ condition: Bool, _ what: String, line: Int = #line) {
    guard !condition else { return }
    print("line \(line): \(what)")
    exit(1)
}

actor Counter {
    private(set) var value = 0

    func add() { value += 1 }

    func addSlowly() async throws {
        try await sleep(for: .microseconds(1))
        preconditionIsolated()
        value += 1
        try await checkpoint()
        preconditionIsolated()
        await Task.yield()
        preconditionIsolated()
    }
}

@concurrent nonisolated func elsewhere(_ number: Int) async -> Int { number }

/// Every way to suspend that Swift and the toolkit have, a hundred thousand times each, and still one thread.
func everythingOnOneThread() async throws { try await suspend(inEveryWay: 100_000) }

func suspend(inEveryWay count: Int) async throws {
    // A hundred thousand children are made in one go.
    EventLoop.blockedLimit = nil
    let counter = Counter()
    for number in 0..<count {
        await Task.yield()
        try await sleep(for: .zero)
        await counter.add()
        async let other = elsewhere(number)
        let heard = await other
        expect(heard == number, "async let gave \(heard) for \(number)")
        await Task { @MainActor in MainActor.assertIsolated() }.value
        await spawn {}.join()
    }
    let value = await counter.value
    expect(value == count, "an actor counted \(value) of \(count)")
    try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<count {
            group.addTask {
                try await Task.sleep(for: .milliseconds(1)); return 1
            }
        }
        var sum = 0
        while let one = try await group.next() { sum += one }
        expect(sum == count, "a group of \(count) gave \(sum)")
    }
    expect(spork_thread_count() == 1, "\(spork_thread_count()) threads")
}

/// The runtime's own ways to wait, each behind each of ours.
func nativeWaitsAfterOurs() async throws {
    let ours: [@MainActor () async throws -> Void] = [
        { try await sleep(for: .milliseconds(1)) }, { try await checkpoint() }, { await spawn {}.join() },
        { try await Queue<Int>(capacity: 0).exchange() },
    ]
    let natives: [@MainActor () async throws -> Void] = [
        { await Task.yield() }, { try await Task.sleep(for: .milliseconds(1)) },
        { await Task { await Task.yield() }.value }, { await Task.detached { await Task.yield() }.value },
        { await withUnsafeContinuation { continuation in Task { continuation.resume() } } },
        {
            async let one = elsewhere(1); _ = await one
        },
        { await withTaskGroup(of: Void.self) { group in for _ in 0..<3 { group.addTask { await Task.yield() } } } },
        {
            let value = try await offload { 1 }; expect(value == 1, "a blocking call gave \(value)")
        },
        { try await withTimeout(.seconds(5)) { await Task.yield() } },
    ]
    for wait in ours {
        for native in natives {
            try await wait()
            try await native()
            try await spawn {
                try await wait()
                try await native()
                try await wait()
            }.value
        }
    }
}

extension Queue<Int> {
    fileprivate func exchange() async throws {
        spawn { try await self.send(1) }
        let heard = try await receive()
        expect(heard == 1, "a channel gave \(heard)")
    }
}

func actorsKeepIsolation() async throws {
    let counter = Counter()
    let adding = (0..<100).map { _ in spawn { try await counter.addSlowly() } }
    for one in adding { try await one.value }
    try await counter.addSlowly()
    let value = await counter.value
    expect(value == 101, "an actor counted \(value) of 101")
}

/// The threads that stay for the next blocking call keep nobody from seeing that nothing can happen any more.
func deadlockAfterOffload() async throws {
    _ = try await offload { 1 }
    try await Event().wait()
}

func deadlockBesideSignals() async throws {
    let signals = Signals(SIGUSR1)
    defer { withExtendedLifetime(signals) {} }
    try await Event().wait()
}

func deadlockBesideDescriptor() async throws {
    var ends: [Int32] = [-1, -1]
    expect(spork_pipe(&ends) == 0, "no pipe")
    let readiness = Readiness(descriptor: ends[0])
    _ = write(ends[1], "x", 1)
    _ = await readiness.readable()
    defer { withExtendedLifetime(readiness) {} }
    try await Event().wait()
}

/// The same in four children at once, while the parent's loop runs, too.
func forkChildren() {
    let children = (0..<4).map { _ in
        let child = spork_fork()
        if child == 0 {
            do { try EventLoop.run { try await suspend(inEveryWay: 2_000) } } catch { _exit(1) }
            _exit(0)
        }
        return child
    }
    do {
        try EventLoop.run {
            try await suspend(inEveryWay: 2_000)
            for child in children {
                let ended = try await ChildExits(of: child).makeAsyncIterator().end()
                expect(ended == .exited(code: 0), "a child ended with \(String(describing: ended))")
            }
        }
        print("ok")
    } catch { print("\(error)") }
}

extension ChildExits.AsyncIterator {
    fileprivate func end() async throws -> ChildExit.Reason? {
        var iterator = self
        return try await iterator.next()?.reason
    }
}
