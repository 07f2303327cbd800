// Tasks that run coroutines, one after the other. Making a task costs more than running a short coroutine, so one whose
// coroutine has ended waits for the next.
//
// Invariants: a carrier whose task was cancelled is not used again, because that cannot be undone; nor is one that was made
// where task-local values were set, because it has inherited them; coroutines spawned there get a task of their own.

/// A task that runs coroutines.
nonisolated final class Carrier: Parking {
    /// How many wait for work at most; the memory of the others goes back.
    static let mostIdle = 1024

    @exclusivity(unchecked) nonisolated(unsafe) private static var idle: [Carrier] = []

    @exclusivity(unchecked) private var coroutine: AnyCoroutine?
    @exclusivity(unchecked) private var task: Task<Void, Never>?

    /// Makes `coroutine` runnable, behind those that are runnable already.
    static func start(_ coroutine: AnyCoroutine) {
        let inherits = TaskLocals.mayExist
        if !inherits, let carrier = idle.popLast(), let task = carrier.task {
            carrier.coroutine = coroutine
            coroutine.bind(to: carrier, task: unsafeBitCast(task, to: UnsafeMutableRawPointer.self))
            EventLoop.unpark(carrier)
        } else {
            nonisolated(unsafe) let carrier = Carrier()
            carrier.coroutine = coroutine
            coroutine.inheritsTaskLocals = inherits
            let task = Task { @MainActor in await carrier.carry() }
            carrier.task = task
            coroutine.bind(to: carrier, task: unsafeBitCast(task, to: UnsafeMutableRawPointer.self))
        }
    }

    func cancelTask() { task?.cancel() }

    @MainActor private func carry() async {
        // Not held in a variable: that would keep a coroutine that has ended until the next one comes.
        while coroutine != nil {
            coroutine?.hasStarted = true
            if let runner = coroutine?.runner, let coroutine { await runner(coroutine) }
            guard retire() else { break }
            await EventLoop.park(in: self)
        }
        task = nil
    }

    // Out of line, for a small frame of `carry`: every coroutine that waits pays for that.
    @inline(never)
    private func retire() -> Bool {
        guard let coroutine else { return false }
        self.coroutine = nil
        coroutine.finish()
        // A task that was cancelled stays so.
        guard !coroutine.inheritsTaskLocals, !coroutine.isCancelled, Self.idle.count < Self.mostIdle, !Task.isCancelled
        else { return false }
        Self.idle.append(self)
        return true
    }
}
