// How a coroutine waits: it joins a list, parks, and is woken by whoever has what it waits for, by its time limit, or by being
// cancelled, whichever is first. Every primitive of SporkTasks and every stream of SporkNet waits this way.
//
// Invariants: a wait is woken once; being woken takes it out of its list, so whoever finds it in a list may hand it something
// and be sure that it arrives. Touched only on the loop's thread.
import CLibev
import CSporkShims

/// A link of a circular list.
@usableFromInline package nonisolated class WaitLink: Parking {
    @exclusivity(unchecked) fileprivate final var next: Unmanaged<WaitLink>?
    @exclusivity(unchecked) fileprivate final var previous: Unmanaged<WaitLink>?

    fileprivate final func unlink() {
        guard let next, let previous else { return }
        next._withUnsafeGuaranteedRef { $0.previous = previous }
        previous._withUnsafeGuaranteedRef { $0.next = next }
        (self.next, self.previous) = (nil, nil)
    }
}

/// Those who wait for one thing, in the order in which they came.
@usableFromInline package nonisolated final class WaitList: WaitLink {
    @usableFromInline package override init() {
        super.init()
        let this = Unmanaged<WaitLink>.passUnretained(self)
        (next, previous) = (this, this)
    }

    deinit { precondition(isEmpty, "something was released while coroutines wait for it") }

    /// Whether nobody waits.
    @usableFromInline package var isEmpty: Bool { next?.toOpaque() == Unmanaged.passUnretained(self).toOpaque() }

    /// How many wait, by counting them.
    package var count: Int {
        var (count, link) = (0, next?.takeUnretainedValue())
        while let one = link, one !== self { (count, link) = (count + 1, one.next?.takeUnretainedValue()) }
        return count
    }

    /// Who has waited longest.
    @usableFromInline package var first: Wait? {
        guard !isEmpty, let next else { return nil }
        return unsafeDowncast(next.takeUnretainedValue(), to: Wait.self)
    }

    /// Wakes who has waited longest; false when nobody waits.
    @discardableResult
    package func wakeFirst(_ outcome: Wait.Outcome = .woken) -> Bool {
        guard let first else { return false }
        first.wake(outcome)
        return true
    }

    /// Wakes all who wait now, in the order in which they came.
    @usableFromInline package func wakeAll(_ outcome: Wait.Outcome = .woken) {
        while let first { first.wake(outcome) }
    }

    /// Puts a wait at the end.
    package func append(_ wait: Wait) {
        let added = Unmanaged<WaitLink>.passUnretained(wait)
        wait.previous = previous
        wait.next = .passUnretained(self)
        previous?._withUnsafeGuaranteedRef { $0.next = added }
        previous = added
    }
}

/// One coroutine's wait.
@usableFromInline package nonisolated final class Wait: WaitLink {
    /// How a wait ended.
    @usableFromInline package enum Outcome: UInt8, Sendable {
        /// What was waited for is there.
        case woken
        /// The time limit passed first.
        case timedOut
        /// The coroutine was cancelled first.
        case cancelled
        /// What was waited for will never be there.
        case closed
    }

    /// What is waited for, for people.
    ///
    /// Unchecked, because it points to a text that is part of the program.
    @usableFromInline package struct Reason: @unchecked Sendable {
        // A static string would be twice as long, and every coroutine that waits has one of these.
        private let start: UnsafePointer<UInt8>
        package let number: Int

        @usableFromInline package init(_ text: StaticString, _ number: Int = -1) {
            start = text.utf8Start
            self.number = number
        }

        package var text: String { String(cString: start) }
    }

    /// What being woken and being cancelled mean to a wait.
    @usableFromInline package enum Role {
        /// Both end it.
        case plain
        /// It goes on when its coroutine is cancelled.
        case shielded
        /// It goes on when its coroutine is cancelled; what it waits for is cancelled instead.
        case forwarding(AnyCoroutine)
        /// It is one of several; when it is woken it is told to who waits for all of them.
        case branch((Wait) -> Void)
        /// It waits for whichever of its branches is first; when it ends, however that is, they are withdrawn at once.
        case several(() -> Void)
    }

    /// Who made it, and keeps something beside it.
    @exclusivity(unchecked) @usableFromInline package unowned(unsafe) var owner: AnyObject?
    @exclusivity(unchecked) var reason = Reason("")
    /// When it began, on the loop's clock.
    @exclusivity(unchecked) var since = 0.0
    @exclusivity(unchecked) private var timer: UnsafeMutablePointer<ev_timer>?
    // The small ones together, and last: every coroutine that waits has one of these.
    private let role: Role
    @exclusivity(unchecked) private var timerRuns = false
    @exclusivity(unchecked) @usableFromInline private(set) var isDone = true
    @exclusivity(unchecked) @usableFromInline package private(set) var outcome = Outcome.woken
    // Counts the waits that this object has served.
    @exclusivity(unchecked) private var generation: UInt32 = 0

    @usableFromInline package init(_ role: Role = .plain) {
        self.role = role
        super.init()
    }

    deinit {
        guard let timer else { return }
        timer.deinitialize(count: 1)
        timer.deallocate()
    }

    /// Suspends the running coroutine until it is woken.
    ///
    /// A coroutine that is cancelled already waits for nothing, and joins no list. One wait serves many times, one after the
    /// other.
    ///
    /// - Parameters:
    ///   - list: where it waits to be found; nil when who wakes it knows this wait.
    ///   - deadline: ends the wait.
    @inlinable
    @inline(__always)
    package nonisolated(nonsending) func park(
        in list: WaitList? = nil,
        until deadline: Deadline = .never,
        for reason: Reason
    ) async -> Outcome {
        guard let coroutine = AnyCoroutine.currentRecord else { return await parkInTask(list, deadline, reason) }
        return await Self.park(.passUnretained(self), of: coroutine, in: list, until: deadline, for: reason)
    }

    /// The same for a coroutine that is known, and a wait that its caller keeps.
    @inlinable
    @inline(__always)
    nonisolated(nonsending) static func park(
        _ wait: Unmanaged<Wait>,
        of coroutine: Unmanaged<AnyCoroutine>,
        in list: WaitList?,
        until deadline: Deadline,
        for reason: Reason
    ) async -> Outcome {
        guard wait._withUnsafeGuaranteedRef({ $0.begin(for: coroutine, list, deadline, reason) }) else {
            return .cancelled
        }
        await EventLoop.park(in: wait)
        coroutine._withUnsafeGuaranteedRef { $0.wait = nil }
        return wait._withUnsafeGuaranteedRef { $0.outcome }
    }

    /// The same with a wait that the running coroutine keeps for this.
    @inlinable
    @inline(__always)
    package nonisolated(nonsending) static func park(
        in list: WaitList? = nil,
        until deadline: Deadline = .never,
        for reason: Reason
    ) async -> Outcome {
        guard let coroutine = AnyCoroutine.currentRecord else { return await Wait().parkInTask(list, deadline, reason) }
        let wait = coroutine._withUnsafeGuaranteedRef { $0.parkingWait() }
        return await park(wait, of: coroutine, in: list, until: deadline, for: reason)
    }

    /// The same, to be woken by whoever finds the wait in `place`, where it stands as long as it lasts.
    @inlinable
    @inline(__always)
    package nonisolated(nonsending) static func park(
        at place: UnsafeMutablePointer<Unmanaged<Wait>?>,
        for reason: Reason
    ) async -> Outcome {
        guard let coroutine = AnyCoroutine.currentRecord else { return await parkInTask(at: place, reason) }
        let wait = coroutine._withUnsafeGuaranteedRef { $0.parkingWait() }
        place.pointee = wait
        defer { vacate(place, by: wait) }
        return await park(wait, of: coroutine, in: nil, until: .never, for: reason)
    }

    /// The same for a task that no coroutine runs in: it may be cancelled by its group, which only a handler hears of.
    ///
    /// Kept out of line, as a frame of its own: most waits are not of this kind, and every sleeper pays for its frames.
    @inline(never)
    @usableFromInline nonisolated(nonsending) func parkInTask(
        _ list: WaitList?,
        _ deadline: Deadline,
        _ reason: Reason
    ) async -> Outcome {
        if Task.isCancelled, endsWhenCancelled { return .cancelled }
        begin(list, deadline, reason)
        // Safe to send: whoever cancels is brought to the loop's thread before he touches it.
        nonisolated(unsafe) let wait = self
        let generation = generation
        await withTaskCancellationHandler {
            if !wait.isDone { await EventLoop.park(in: .passUnretained(wait)) }
        } onCancel: {
            if spork_executor_is_current() { return wait.cancel() }
            // By the time it is the loop's turn, this wait may be over and the object used for another.
            Task { @MainActor in if wait.generation == generation { wait.cancel() } }
        }
        return outcome
    }

    @inline(never)
    @usableFromInline nonisolated(nonsending) static func parkInTask(
        at place: UnsafeMutablePointer<Unmanaged<Wait>?>,
        _ reason: Reason
    ) async -> Outcome {
        let wait = Wait()
        place.pointee = .passUnretained(wait)
        defer { vacate(place, by: .passUnretained(wait)) }
        return await wait.parkInTask(nil, .never, reason)
    }

    // Unless another has come to stand there: one that was cancelled leaves its place when it is its turn.
    @usableFromInline static func vacate(_ place: UnsafeMutablePointer<Unmanaged<Wait>?>, by wait: Unmanaged<Wait>) {
        if place.pointee?.toOpaque() == wait.toOpaque() { place.pointee = nil }
    }

    @usableFromInline var endsWhenCancelled: Bool {
        switch role {
        case .plain, .branch, .several: true
        case .shielded, .forwarding: false
        }
    }

    /// What cancelling the coroutine does to its wait.
    func cancel() {
        switch role {
        case .plain, .branch, .several: wake(.cancelled)
        case .shielded: break
        case .forwarding(let target): target.cancel()
        }
    }

    /// Ends the wait, unless it has ended.
    @usableFromInline package func wake(_ outcome: Outcome = .woken) {
        guard !isDone else { return }
        isDone = true
        self.outcome = outcome
        unlink()
        if timerRuns { stopTimer() }
        switch role {
        case .plain, .shielded, .forwarding: EventLoop.unpark(self)
        case .branch(let decide): decide(self)
        case .several(let withdraw):
            withdraw()
            EventLoop.unpark(self)
        }
    }

    /// Whether it has ended.
    package var isOver: Bool { isDone }

    /// Ends the wait without waking anybody: a branch that was not chosen.
    package func withdraw() {
        isDone = true
        unlink()
    }

    /// Begins, unless the coroutine is cancelled and that ends it.
    @usableFromInline func begin(
        for coroutine: Unmanaged<AnyCoroutine>,
        _ list: WaitList?,
        _ deadline: Deadline,
        _ reason: Reason
    ) -> Bool {
        coroutine._withUnsafeGuaranteedRef { coroutine in
            if coroutine.isCancelled, endsWhenCancelled { return false }
            begin(list, deadline, reason)
            coroutine.wait = self
            return true
        }
    }

    @usableFromInline package func begin(_ list: WaitList?, _ deadline: Deadline, _ reason: Reason) {
        isDone = false
        outcome = .woken
        generation &+= 1
        self.reason = reason
        since = EventLoop.now
        list?.append(self)
        if deadline.seconds < .infinity { startTimer(deadline) }
    }

    private func startTimer(_ deadline: Deadline) {
        let timer = self.timer ?? makeTimer()
        timer.pointee.at = EventLoop.untilDue(deadline)
        timerRuns = true
        ev_timer_start(EventLoop.libev, timer)
    }

    private func stopTimer() {
        timerRuns = false
        guard let timer else { return }
        ev_timer_stop(EventLoop.libev, timer)
    }

    private func makeTimer() -> UnsafeMutablePointer<ev_timer> {
        let timer = UnsafeMutablePointer<ev_timer>.allocate(capacity: 1)
        timer.initialize(to: ev_timer())
        spork_timer_init(
            timer,
            { _, timer, _ in
                let wait = Unmanaged<Wait>.fromOpaque((timer?.pointee.data).unsafelyUnwrapped).takeUnretainedValue()
                wait.wake(.timedOut)
            },
            0
        )
        timer.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        self.timer = timer
        return timer
    }
}
