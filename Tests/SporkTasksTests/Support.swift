// What the tests of the toolkit share. Each runs in a process of its own (an exit test), because a process has one loop.
import CSporkShims
import Glibc
import SporkLoop
import SporkTasks
import Testing

/// Something that goes wrong on purpose.
nonisolated enum Failure: Error, Equatable {
    case first
    case second
}

/// Runs `body` on the loop of this process and ends the process well when it returns.
nonisolated func program(_ body: @escaping @MainActor () async throws -> Void) throws {
    try EventLoop.run(body)
    exit(0)
}

/// Lets everything that is runnable run, several times over.
func settle() async {
    for _ in 0..<10 { try? await checkpoint() }
}

/// How long `body` takes.
func elapsed(_ body: () async throws -> Void) async rethrows -> Duration {
    let start = ContinuousClock.now
    try await body()
    return ContinuousClock.now - start
}

/// The error that `body` throws.
func caught<Success>(_ body: () async throws -> Success) async -> (any Error)? {
    do {
        _ = try await body()
        return nil
    } catch { return error }
}

/// Expects two values to be the same: `#expect` in an exit test cannot see through `await`.
func same<Value: Equatable>(_ value: Value, _ expected: Value, at place: SourceLocation = #_sourceLocation) {
    #expect(value == expected, sourceLocation: place)
}

/// A coroutine's state in a word, to compare.
func word<Success>(_ coroutine: Coroutine<Success>) -> String {
    switch coroutine.state {
    case .scheduled: "scheduled"
    case .running: "running"
    case .suspended: "suspended"
    case .finished: "finished"
    case .failed: "failed"
    case .cancelled: "cancelled"
    }
}

/// Runs `body` in a forked child; its value, or 99 when it throws, is the child's exit code.
nonisolated func exitCodeOfChild(_ body: () throws -> Int32) -> Int32 {
    let child = spork_fork()
    if child == 0 { _exit((try? body()) ?? 99) }
    var status: Int32 = 0
    guard child > 0, waitpid(child, &status, 0) == child else { return -1 }
    return status & 0x7f == 0 ? status >> 8 & 0xff : -(status & 0x7f)
}
