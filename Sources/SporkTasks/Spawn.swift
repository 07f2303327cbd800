// spawn: how every coroutine begins.
import SporkLoop

/// Starts a coroutine that runs beside the caller.
///
/// The body starts when the caller suspends, never during the call, and two that are spawned start in that order.
/// Task-local values that are set here are set in it. Costs two allocations; the task that runs it is used again.
///
/// - Parameters:
///   - name: what dumps and reports call it.
///   - delay: how long after this it starts; nil for at once. Cancelled before, it never starts.
///   - body: what it does.
/// - Returns: the handle.
@discardableResult
@inlinable
@MainActor public func spawn<Success>(
    _ name: String? = nil,
    after delay: Duration? = nil,
    file: StaticString = #fileID,
    line: UInt = #line,
    _ body: @escaping @MainActor () async throws -> Success
) -> Coroutine<Success> {
    let coroutine: Coroutine<Success>
    if let delay {
        let due = ContinuousClock.now + delay
        coroutine = Coroutine(name: name, file: file, line: line) {
            try await sleep(for: ContinuousClock.now.duration(to: due))
            return try await body()
        }
    } else {
        coroutine = Coroutine(name: name, file: file, line: line, body)
    }
    coroutine.schedule()
    return coroutine
}
