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
    let enough = Event()
    var missing = wanted - coroutines.count(where: \.isFinished)
    if missing <= 0 { enough.set() }
    let watched = missing <= 0 ? [] : coroutines.filter { !$0.isFinished }
    let observers = watched.map { coroutine in
        coroutine.observeEnd { _ in
            missing -= 1
            if missing == 0 { enough.set() }
        }
    }
    if let limit { _ = try? await enough.wait(within: limit) } else { try? await enough.wait() }
    for (coroutine, observer) in zip(watched, observers) { coroutine.stopObserving(observer) }
    let ended = coroutines.filter(\.isFinished).sorted { $0.endNumber < $1.endNumber }
    return Array(ended.prefix(wanted))
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
    let decided = Event()
    var missing = coroutines.count(where: { !$0.isFinished })
    var failed: Coroutine<Success>?
    func note(_ coroutine: Coroutine<Success>) {
        guard failed == nil, case .failure = coroutine.finished else { return }
        failed = coroutine
        decided.set()
    }
    for coroutine in coroutines.filter(\.isFinished).sorted(by: { $0.endNumber < $1.endNumber }) { note(coroutine) }
    if missing == 0 { decided.set() }
    let watched = decided.isSet ? [] : coroutines.filter { !$0.isFinished }
    let observers = watched.map { coroutine in
        coroutine.observeEnd { [unowned coroutine] _ in
            missing -= 1
            note(coroutine)
            if missing == 0 { decided.set() }
        }
    }
    defer { for (coroutine, observer) in zip(watched, observers) { coroutine.stopObserving(observer) } }
    try await decided.wait()
    if let failed {
        failed.observe()
        _ = try failed.finished.get()
    }
    for coroutine in coroutines { coroutine.observe() }
    return try coroutines.map { try $0.finished.get() }
}
