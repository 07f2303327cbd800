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
    final var inheritsTaskLocals = false
    /// Whether the body has begun.
    package final var hasStarted = false
    /// Whether it was asked to end.
    public package(set) final var isCancelled = false
    /// Whether it has returned or thrown.
    public package(set) final var isFinished = false
    /// The line in which it was spawned.
    public let line: UInt
    /// Its number in this process, from 1.
    public let id: UInt64
    /// The number of the coroutine that spawned it, 0 when none did.
    public let parentID: UInt64
    /// When it was spawned, on the loop's clock.
    package let spawnedAt: Double

    /// The task that runs it, until its end.
    final var task: UnsafeMutableRawPointer?
    /// What it waits for, while it is parked.
    unowned(unsafe) final var wait: Wait?
    private final var carrier: Carrier?
    /// Waits are used again and again: a coroutine has one at a time.
    private final var spareWait: Wait?

    private unowned(unsafe) final var previous: AnyCoroutine?
    private unowned(unsafe) final var next: AnyCoroutine?

    nonisolated(unsafe) private static var newest: AnyCoroutine?
    nonisolated(unsafe) private static var lastID: UInt64 = 0
    /// How many coroutines live.
    nonisolated(unsafe) package private(set) static var liveCount = 0
    /// The one that ended last: a report about the job that has just run may be about it.
    nonisolated(unsafe) private(set) static var lastFinished: (String?, StaticString, UInt, UnsafeMutableRawPointer?)?

    package init(name: String?, file: StaticString, line: UInt) {
        self.name = name
        self.file = file
        self.line = line
        Self.lastID += 1
        id = Self.lastID
        parentID = Self.current?.id ?? 0
        spawnedAt = EventLoop.now
        next = Self.newest
        Self.newest?.previous = self
        Self.newest = self
        Self.liveCount += 1
    }

    /// The coroutine that is running, if it is one that was spawned.
    ///
    /// Nil in a child task of a group and in a plain `Task`.
    public static var current: AnyCoroutine? {
        guard let record = spork_registry_get(spork_current_task()) else { return nil }
        return Unmanaged<AnyCoroutine>.fromOpaque(record).takeUnretainedValue()
    }

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
        carrier?.cancelTask()
        wait?.cancel()
    }

    /// Makes it runnable, behind those that are runnable already.
    package func schedule() { Carrier.start(self) }

    /// Runs the body and keeps its outcome; a coroutine that was cancelled before it started keeps that.
    @MainActor func run() async {}

    /// Says that `task` runs this coroutine from now on.
    func bind(to carrier: Carrier?, task: UnsafeMutableRawPointer) {
        self.carrier = carrier
        self.task = task
        spork_registry_set(task, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Takes it out of the list; `task` may run another.
    func finish() {
        isFinished = true
        if let task { spork_registry_remove(task) }
        Self.lastFinished = (name, file, line, task)
        (task, carrier, spareWait) = (nil, nil, nil)
        if let next { next.previous = previous }
        if let previous { previous.next = next } else { Self.newest = next }
        (next, previous) = (nil, nil)
        Self.liveCount -= 1
        didFinish()
    }

    /// Called when it has returned or thrown: wakes who waits for that.
    func didFinish() {}

    /// All that live, the oldest first.
    package static var all: [AnyCoroutine] {
        var found: [AnyCoroutine] = []
        var coroutine = newest
        while let one = coroutine {
            found.append(one)
            coroutine = one.next
        }
        return found.reversed()
    }

    /// A wait for the running coroutine: its own, when it has one to spare.
    func takeWait() -> Wait {
        guard let spare = spareWait else { return Wait() }
        spareWait = nil
        return spare
    }

    func putBack(_ wait: Wait) { spareWait = wait }
}
