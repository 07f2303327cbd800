// Time limits: for a piece of code, with gevent's rules for nesting, and what ends a wait that has one of its own.
//
// A limited piece of code runs in a coroutine of its own, because cancelling cannot be undone: when the time is over that
// coroutine is cancelled, and the caller goes on. Whoever sets a limit is told of it; an outer limit passes through inner ones.
import SporkLoop

/// Runs `body`, and cancels it when it takes longer than `limit`.
///
/// The call returns when the body has: a body that goes on although it was cancelled is waited for, and its value counts.
/// Limits nest: the one that passes first is the one that throws, wherever it stands.
///
/// - Parameter limit: nil for none. With zero the body runs until it suspends first.
/// - Throws: `TimeoutError` when the body was cancelled by this limit; else what the body throws.
@MainActor public func withTimeout<Success>(
    _ limit: Duration?,
    file: StaticString = #fileID,
    line: UInt = #line,
    _ body: @MainActor () async throws -> Success
) async throws -> Success {
    guard let limit else { return try await body() }
    switch try await limited(by: .fromNow(limit), file, line, body) {
    case .value(let value): return value
    case .expired: throw TimeoutError(limit: limit)
    }
}

/// Runs `body`, and cancels it when it has not returned at `deadline`; otherwise like `withTimeout`.
@MainActor public func withDeadline<Success>(
    _ deadline: ContinuousClock.Instant,
    file: StaticString = #fileID,
    line: UInt = #line,
    _ body: @MainActor () async throws -> Success
) async throws -> Success {
    try await withTimeout(ContinuousClock.now.duration(to: deadline), file: file, line: line, body)
}

/// Runs `body`, and cancels it when it takes longer than `limit`.
///
/// - Returns: nil when it was cancelled by this limit. Another limit that passes, inside or outside, still throws.
/// - Throws: what the body throws.
@MainActor public func giveUp<Success>(
    after limit: Duration?,
    file: StaticString = #fileID,
    line: UInt = #line,
    _ body: @MainActor () async throws -> Success
) async throws -> Success? {
    guard let limit else { return try await body() }
    switch try await limited(by: .fromNow(limit), file, line, body) {
    case .value(let value): return value
    case .expired: return nil
    }
}

private enum Limited<Success> {
    case value(Success)
    case expired
}

private func limited<Success>(
    by deadline: Deadline,
    _ file: StaticString,
    _ line: UInt,
    _ body: @MainActor () async throws -> Success
) async throws -> Limited<Success> {
    try await withoutActuallyEscaping(body) { body in
        let coroutine = Coroutine(name: "time limit", file: file, line: line, body)
        coroutine.schedule()
        var hasExpired = false
        if await coroutine.waitPassingOnCancellation(until: deadline) == .timedOut {
            hasExpired = true
            coroutine.cancel()
            while !coroutine.isFinished { _ = await coroutine.waitPassingOnCancellation(until: .never) }
        }
        switch coroutine.finished {
        case .success(let value): return .value(value)
        case .failure(let error):
            let wasCancelled = error is CancellationError || (error as? any CancellationReport)?.isCancellation == true
            guard hasExpired, wasCancelled else { throw error }
            // An outer limit that has passed meanwhile goes first: it was set first, and this code is to end.
            if AnyCoroutine.current?.isCancelled ?? Task.isCancelled { throw CancellationError() }
            return .expired
        }
    }
}
