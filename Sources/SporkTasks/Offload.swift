// Blocking calls on other threads, so that the loop goes on: the one place where Spork has more than one thread, and the one
// lock. Threads are started when there is work and end when there has been none for a while; they take no signals.
//
// Invariant: `jobs`, `idle` and `threads` are touched under the lock only.
import Glibc
import SporkLoop

/// Runs a blocking call on another thread and returns its value; other coroutines run meanwhile.
///
/// At most `Offload.mostThreads` calls run at once; more wait in line. A call cannot be interrupted: when the caller is
/// cancelled it is waited for nevertheless.
///
/// - Parameter body: what to call. It must not touch anything that belongs to the loop.
/// - Throws: what `body` throws.
@MainActor public func offload<Success: Sendable>(
    _ body: @escaping @Sendable () throws -> Success
) async throws -> Success {
    // The loop waits for the thread as it waits for a descriptor.
    EventLoop.beginExternalWait()
    defer { EventLoop.endExternalWait() }
    return try await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<Success, any Error>) in
        Offload.run { continuation.resume(with: Result(catching: body)) }
    }
}

/// The threads that blocking calls run on.
public nonisolated enum Offload {
    /// How many threads there are at most.
    public static let mostThreads = 8
    /// How long a thread without work stays, in seconds.
    private static let idleSeconds = 10

    nonisolated(unsafe) private static let lock = {
        let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        return lock
    }()
    nonisolated(unsafe) private static let arrival = {
        let arrival = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        pthread_cond_init(arrival, nil)
        return arrival
    }()
    nonisolated(unsafe) private static var jobs: [@Sendable () -> Void] = []
    nonisolated(unsafe) private static var idle = 0
    nonisolated(unsafe) private static var threads = 0

    static func run(_ job: @escaping @Sendable () -> Void) {
        // Nothing but coroutines gives these threads work: whether all wait in vain does not depend on them.
        EventLoop.idleThreads = {
            pthread_mutex_lock(lock)
            defer { pthread_mutex_unlock(lock) }
            return Int32(threads)
        }
        pthread_mutex_lock(lock)
        jobs.append(job)
        let needsThread = idle < jobs.count && threads < mostThreads
        if needsThread { threads += 1 }
        pthread_cond_signal(arrival)
        pthread_mutex_unlock(lock)
        if needsThread { startThread() }
    }

    private static func startThread() {
        var (all, before) = (sigset_t(), sigset_t())
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        var thread = pthread_t()
        let failure = pthread_create(&thread, nil, { _ in Offload.work() }, nil)
        pthread_sigmask(SIG_SETMASK, &before, nil)
        guard failure != 0 else { return _ = pthread_detach(thread) }
        pthread_mutex_lock(lock)
        threads -= 1
        // With no thread at all nobody would ever take the job: better late here than never.
        let job = threads == 0 && !jobs.isEmpty ? jobs.removeFirst() : nil
        pthread_mutex_unlock(lock)
        job?()
    }

    private static func work() -> UnsafeMutableRawPointer? {
        pthread_mutex_lock(lock)
        while true {
            if !jobs.isEmpty {
                let job = jobs.removeFirst()
                pthread_mutex_unlock(lock)
                job()
                pthread_mutex_lock(lock)
                continue
            }
            var end = timespec()
            clock_gettime(CLOCK_REALTIME, &end)
            end.tv_sec += idleSeconds
            idle += 1
            let outcome = pthread_cond_timedwait(arrival, lock, &end)
            idle -= 1
            if outcome == ETIMEDOUT, jobs.isEmpty { break }
        }
        threads -= 1
        pthread_mutex_unlock(lock)
        return nil
    }
}
