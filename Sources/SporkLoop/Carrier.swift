// Tasks that run coroutines, one after the other. Making a task costs more than running a short coroutine, so one whose
// coroutine has ended waits for the next.
//
// Invariants: a carrier lives as long as its task does. One whose task was cancelled is not used again, because that cannot be
// undone; nor is one that was made where task-local values were set, because it has inherited them; coroutines spawned there
// get a task of their own.
import CSporkShims

/// A task that runs coroutines.
nonisolated final class Carrier: Parking {
    /// How many wait for work at most; the memory of the others goes back.
    static let mostIdle = 1024

    // Those that wait for work; their tasks keep them.
    @exclusivity(unchecked) nonisolated(unsafe) private static var idle: [Unmanaged<Carrier>] = []

    /// What it runs, or will run; held from its start to its end.
    @exclusivity(unchecked) private var coroutine: Unmanaged<AnyCoroutine>?
    @exclusivity(unchecked) private var task: UnsafeMutableRawPointer?

    /// Makes `coroutine` runnable, behind those that are runnable already.
    static func start(_ coroutine: AnyCoroutine) {
        let inherits = TaskLocals.mayExist
        if !inherits, let carrier = idle.popLast() {
            carrier._withUnsafeGuaranteedRef { carrier in
                carrier.take(coroutine)
                EventLoop.unpark(carrier)
            }
        } else {
            nonisolated(unsafe) let carrier = Carrier()
            coroutine.inheritsTaskLocals = inherits
            // A task that has not ended is kept by the runtime, so its address will do.
            carrier.task = unsafeBitCast(Task { @MainActor in await carrier.carry() }, to: UnsafeMutableRawPointer.self)
            carrier.take(coroutine)
        }
    }

    private func take(_ coroutine: AnyCoroutine) {
        guard let task else { preconditionFailure("a carrier that takes a coroutine has a task") }
        self.coroutine = .passRetained(coroutine)
        coroutine.bind(to: task)
    }

    @inline(__always)
    @MainActor private func carry() async {
        while let coroutine {
            await Self.begin(coroutine)(coroutine)
            guard retire() else { break }
            await EventLoop.park(in: .passUnretained(self))
        }
        task = nil
    }

    // Not on the main actor: a closure that is, is checked to be there each time.
    private static func begin(
        _ coroutine: Unmanaged<AnyCoroutine>
    ) -> @MainActor (Unmanaged<AnyCoroutine>) async -> Void {
        coroutine._withUnsafeGuaranteedRef { coroutine in
            coroutine.hasStarted = true
            return coroutine.runner
        }
    }

    // Out of line, for a small frame of `carry`: every coroutine that waits pays for that.
    @inline(never)
    private func retire() -> Bool {
        guard let ended = coroutine, let task else { return false }
        coroutine = nil
        let isSpent = ended._withUnsafeGuaranteedRef { coroutine in
            coroutine.finish()
            return coroutine.inheritsTaskLocals
        }
        ended.release()
        // A task that was cancelled stays so.
        guard !isSpent, Self.idle.count < Self.mostIdle, !spork_task_is_cancelled(task) else { return false }
        Self.idle.append(.passUnretained(self))
        return true
    }
}
