// What the loop knows of a coroutine: its name, where it comes from, what it waits for, and how to cancel it. SporkTasks'
// Coroutine adds the value. All that live are linked, so that they can be listed.
//
// Invariant: a coroutine is in the list, and in the registry under its task, from its start to its end. Touched only on
// the loop's thread.
import CSporkShims

/// A coroutine, whatever its value is.
public nonisolated class AnyCoroutine {
    /// What it was called when it was spawned.
    public let name: String?
    /// The file in which it was spawned.
    public let file: StaticString
    // These stand here because there is room behind the file's name; a sleeper's memory is counted in bytes.
    /// Whether its task was made where task-local values were set.
    @exclusivity(unchecked) final var inheritsTaskLocals = false
    /// Whether the body has begun.
    @exclusivity(unchecked) @usableFromInline package final var hasStarted = false
    /// Whether somebody looks after its errors.
    @exclusivity(unchecked) @usableFromInline package final var isObserved = false
    /// Whether it was asked to end.
    @exclusivity(unchecked) public package(set) final var isCancelled = false
    /// Whether it has returned or thrown.
    @exclusivity(unchecked) public package(set) final var isFinished = false
    /// The line in which it was spawned.
    public let line: UInt
    /// Its number in this process, from 1.
    public let id: UInt64
    /// The number of the coroutine that spawned it, 0 when none did.
    public let parentID: UInt64
    /// When it was spawned, on the loop's clock.
    package let spawnedAt: Double
    // Runs the body and keeps its outcome. It comes from the subclass, which knows the type of the value: made where that type
    // is known it costs a fraction of an overridden method.
    @usableFromInline final let runner: @MainActor (Unmanaged<AnyCoroutine>) async -> Void

    /// The task that runs it, until its end.
    @exclusivity(unchecked) final var task: UnsafeMutableRawPointer?
    /// What it waits for, while it is parked.
    @exclusivity(unchecked) @usableFromInline unowned(unsafe) final var wait: Wait?
    /// A coroutine has one wait at a time, and uses it again and again.
    @exclusivity(unchecked) private final var ownWait: Unmanaged<Wait>?

    // Nearly always there is one who waits for the end; the rest is for when there are more.
    @exclusivity(unchecked) final var waiter: Unmanaged<Wait>?
    @exclusivity(unchecked) final var audience: Audience?
    /// Says in which order coroutines have ended; 0 before the end.
    @exclusivity(unchecked) package private(set) final var endNumber: UInt64 = 0

    @exclusivity(unchecked) private final var previous: Unmanaged<AnyCoroutine>?
    @exclusivity(unchecked) private final var next: Unmanaged<AnyCoroutine>?

    @exclusivity(unchecked) nonisolated(unsafe) private static var newest: Unmanaged<AnyCoroutine>?
    @exclusivity(unchecked) nonisolated(unsafe) private static var lastID: UInt64 = 0
    @exclusivity(unchecked) nonisolated(unsafe) private static var lastEnd: UInt64 = 0
    /// How many coroutines live.
    @exclusivity(unchecked) nonisolated(unsafe) package private(set) static var liveCount = 0
    /// The one that ended last: a report about the job that has just run may be about it.
    @exclusivity(unchecked) nonisolated(unsafe) private(set) static var lastFinished = (
        name: String?.none, file: StaticString(), line: UInt(0), task: UnsafeMutableRawPointer?.none, job: UInt64(0)
    )

    @usableFromInline package init(
        name: String?,
        file: StaticString,
        line: UInt,
        runner: @escaping @MainActor (Unmanaged<AnyCoroutine>) async -> Void
    ) {
        self.name = name
        self.file = file
        self.line = line
        self.runner = runner
        Self.lastID += 1
        id = Self.lastID
        parentID = Self.currentRecord?._withUnsafeGuaranteedRef { $0.id } ?? 0
        spawnedAt = EventLoop.now
        let this = Unmanaged<AnyCoroutine>.passUnretained(self)
        next = Self.newest
        Self.newest?._withUnsafeGuaranteedRef { $0.previous = this }
        Self.newest = this
        Self.liveCount += 1
    }

    /// The coroutine that is running, if it is one that was spawned.
    ///
    /// Nil in a child task of a group and in a plain `Task`.
    public static var current: AnyCoroutine? { currentRecord?.takeUnretainedValue() }

    /// The same, for who looks at it only as long as it runs.
    @usableFromInline static var currentRecord: Unmanaged<AnyCoroutine>? {
        spork_registry_get(spork_current_task()).map { .fromOpaque($0) }
    }

    /// Whether it is parked, and nobody has woken it.
    package var isWaiting: Bool { wait.map { !$0.isOver } ?? false }

    /// Name and spawn site, for people.
    public var label: String { Self.label(name, file, line) }

    static func label(_ name: String?, _ file: StaticString, _ line: UInt) -> String {
        let site = "\(file):\(line)"
        return name.map { "\($0) (\(site))" } ?? site
    }

    /// Asks the coroutine to end: what it waits for throws `CancellationError`, and its child tasks are cancelled.
    ///
    /// One that has not started never will. Harmless when it has ended or was cancelled before; never suspends.
    public func cancel() {
        guard !isFinished, !isCancelled else { return }
        isCancelled = true
        guard hasStarted else { return }
        if let task { spork_cancel_task(task) }
        wait?.cancel()
    }

    /// Makes it runnable, behind those that are runnable already.
    @usableFromInline package final func schedule() { Carrier.start(self) }

    /// Says that `task` runs this coroutine from now on.
    func bind(to task: UnsafeMutableRawPointer) {
        self.task = task
        spork_registry_set(task, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Takes it out of the list; `task` may run another.
    func finish() {
        isFinished = true
        if let task { spork_registry_remove(task) }
        if name != nil || Self.lastFinished.name != nil { Self.lastFinished.name = name }
        (Self.lastFinished.file, Self.lastFinished.line) = (file, line)
        (Self.lastFinished.task, Self.lastFinished.job) = (task, spork_executor_ran())
        ownWait?.release()
        (task, ownWait) = (nil, nil)
        Self.lastEnd += 1
        endNumber = Self.lastEnd
        next?._withUnsafeGuaranteedRef { $0.previous = previous }
        if let previous { previous._withUnsafeGuaranteedRef { $0.next = next } } else { Self.newest = next }
        (next, previous) = (nil, nil)
        Self.liveCount -= 1
        tellOfEnd()
    }

    /// All that live, the oldest first.
    package static var all: [AnyCoroutine] {
        var found: [AnyCoroutine] = []
        var record = newest
        while let coroutine = record?.takeUnretainedValue() {
            found.append(coroutine)
            record = coroutine.next
        }
        return found.reversed()
    }

    /// The wait that this coroutine parks with where it brings none; lives until its end.
    @usableFromInline final func parkingWait() -> Unmanaged<Wait> {
        if let ownWait { return ownWait }
        let wait = Unmanaged.passRetained(Wait())
        ownWait = wait
        return wait
    }
}
