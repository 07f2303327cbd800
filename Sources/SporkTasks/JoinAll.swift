// Waiting for several coroutines at once.
import SporkLoop

/// Waits for coroutines, at most so long, or until so many have ended.
///
/// - Parameters:
///   - coroutines: those to wait for.
///   - count: how many have to end; nil for all.
///   - limit: how long to wait; nil for as long as it takes.
/// - Returns: those that have ended, in the order in which they did. Fewer when the time is over or the caller is cancelled.
@MainActor public func joinAll<Success>(
    _ coroutines: [Coroutine<Success>],
    count: Int? = nil,
    within limit: Duration? = nil
) async -> [Coroutine<Success>] {
    let wanted = min(count ?? coroutines.count, coroutines.count)
    var ended: [Coroutine<Success>] = []
    let enough = Event()
    if wanted == 0 { enough.set() }
    for coroutine in coroutines {
        coroutine.onCompletion { coroutine in
            guard !enough.isSet else { return }
            ended.append(coroutine)
            if ended.count >= wanted { enough.set() }
        }
    }
    if let limit { _ = try? await enough.wait(within: limit) } else { try? await enough.wait() }
    enough.set()
    return ended
}

/// The same for coroutines that are written out one by one.
@MainActor public func joinAll<Success>(
    _ coroutines: Coroutine<Success>...,
    count: Int? = nil,
    within limit: Duration? = nil
) async -> [Coroutine<Success>] {
    await joinAll(coroutines, count: count, within: limit)
}

/// Waits until all coroutines have returned, or one has thrown.
///
/// - Returns: their values, in the order of the coroutines.
/// - Throws: the first error that one of them throws, as soon as it does; the others go on.
@MainActor public func values<Success>(of coroutines: [Coroutine<Success>]) async throws -> [Success] {
    let decided = Promise<Void>()
    var missing = coroutines.count
    if missing == 0 { decided.fulfill(()) }
    for coroutine in coroutines {
        coroutine.observe()
        coroutine.onCompletion { coroutine in
            missing -= 1
            if case .failure(let error) = coroutine.finished { decided.fail(error) }
            if missing == 0 { decided.fulfill(()) }
        }
    }
    try await decided.value
    return try coroutines.map { try $0.finished.get() }
}
