// The ends of child processes as a sequence. Each is watched by a descriptor of its own (pidfd_open(2)), so no SIGCHLD is
// needed, no other child is reaped, and no number can be taken for another's.
import CSporkShims
import Glibc
import SporkLoop

/// How a child process has ended.
public struct ChildExit: Sendable, Equatable {
    /// Which one.
    public var process: Int32
    /// Why it has ended.
    public var reason: Reason

    /// The end of a process.
    public init(process: Int32, reason: Reason) {
        self.process = process
        self.reason = reason
    }

    /// Why a process has ended.
    public enum Reason: Sendable, Equatable {
        /// It called exit, with this code.
        case exited(code: Int32)
        /// A signal of this number killed it.
        case killed(signal: Int32)
    }
}

/// A process cannot be waited for.
public struct ChildError: Error, CustomStringConvertible {
    /// Which one.
    public let process: Int32
    /// What the kernel says about it; ESRCH and ECHILD when it is no child of this process.
    public let code: Int32

    /// What failed, and why.
    public var description: String { "wait for process \(process): \(String(cString: strerror(code)))" }
}

/// Child processes' ends, in the order in which they come; it ends when none is left.
///
/// A child's end is taken from the kernel (waitpid) once the loop has heard of it, also while nobody iterates. Dropped, it leaves
/// the children alone, and to be waited for by somebody else.
@MainActor public final class ChildExits: AsyncSequence {
    private let ended = Queue<Result<ChildExit, any Error>>()
    private var watchers: [AnyCoroutine] = []

    /// Begins to watch child processes.
    ///
    /// - Throws: `ChildError` for the first that is no running process. One that runs and is no child of this process is found out when it
    ///   is waited for: the iterator throws it in its turn.
    public init(of processes: Int32...) throws {
        let handles = try processes.map { try ProcessHandle($0) }
        var left = handles.count
        if left == 0 { ended.finish() }
        let ended = ended
        watchers = handles.map { handle in
            spawn("child process \(handle.process)") {
                let result: Result<ChildExit, any Error>
                do { result = .success(try await handle.end()) } catch is CancellationError { return } catch {
                    result = .failure(error)
                }
                // The queue has no limit, so it never gives anything back.
                _ = ended.trySend(result)
                left -= 1
                if left == 0 { ended.finish() }
            }
        }
    }

    isolated deinit {
        for watcher in watchers { watcher.cancel() }
    }

    /// Takes one end after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let exits: ChildExits

        /// The next end; nil when every child has ended.
        ///
        /// - Throws: `ChildError` for one that cannot be waited for; the others go on.
        public mutating func next() async throws -> ChildExit? {
            do { return try await exits.ended.receive().get() } catch QueueError.finished { return nil }
        }
    }

    /// An iterator; several share the ends.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(exits: self) }
}

/// A child process, by a descriptor that is closed with the last who uses it.
private final class ProcessHandle {
    let process: Int32
    nonisolated private let descriptor: Int32

    init(_ process: Int32) throws {
        descriptor = spork_open_process(process)
        guard descriptor >= 0 else { throw ChildError(process: process, code: -descriptor) }
        self.process = process
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Waits for the end of the process, and takes it from the kernel.
    func end() async throws -> ChildExit {
        let readiness = Readiness(descriptor: descriptor)
        defer { readiness.close() }
        while true {
            try await readiness.readable().check(nil)
            var status: Int32 = 0
            let found = waitpid(process, &status, WNOHANG)
            if found < 0 { throw ChildError(process: process, code: errno) }
            if found == process {
                let signal = status & 0x7f
                return ChildExit(
                    process: process,
                    reason: signal == 0 ? .exited(code: status >> 8 & 0xff) : .killed(signal: signal)
                )
            }
        }
    }
}
