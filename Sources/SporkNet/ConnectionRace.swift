// Happy Eyeballs, version 2 (RFC 8305): which addresses of a name to try, when, and when to stop, as a value without side effects.
// SocketStream+ConnectByName drives it.
//
// Invariants: until it is over something is under way: a family that is not resolved, an attempt, or a timer. Each address
// is tried at most once. There is one timer; setting it again replaces it. After the last action nothing follows.

/// A race between the addresses of one name.
package nonisolated struct ConnectionRace {
    /// How long the race waits for what.
    package struct Delays: Equatable, Sendable {
        /// How long IPv4 addresses wait for the IPv6 ones (section 3, Resolution Delay).
        package var resolution: Duration = .milliseconds(50)
        /// How long an attempt runs alone before the next one is started beside it (section 5, Connection Attempt Delay).
        package var attempt: Duration = .milliseconds(250)

        package init() {}
    }

    /// What has happened.
    package enum Event: Equatable {
        /// All addresses of a family are known; may be none.
        case resolved(AddressFamily, [SocketAddress])
        /// No more addresses will come.
        case resolutionFailed(NameError)
        /// The time of the last `setTimer` has come.
        case timerFired
        /// An attempt is connected.
        case succeeded(attempt: Int)
        /// An attempt has failed.
        case failed(attempt: Int, SystemError)
        /// The caller's time limit has passed.
        case limitPassed
    }

    /// What is to be done.
    package enum Action: Equatable {
        /// Start connecting; attempts are numbered from 0.
        case start(attempt: Int, SocketAddress)
        /// Set the timer, replacing what it was set to.
        case setTimer(Duration)
        /// Stop the timer.
        case stopTimer
        /// Use this attempt and end all others.
        case win(attempt: Int)
        /// Nothing could be connected: end all attempts; `outcome` says why.
        case lose
    }

    /// How one attempt stands.
    package enum Attempt: Equatable {
        case running
        case failed(SystemError)
    }

    private enum Timer {
        case resolution
        case attempt
    }

    /// The addresses tried so far, in order.
    package private(set) var attempts: [(address: SocketAddress, state: Attempt)] = []
    /// Why there were no addresses, or not all.
    package private(set) var resolutionFailure: NameError?
    /// Whether the caller's time limit has ended it.
    package private(set) var hasExpired = false
    /// Whether it is over.
    package private(set) var isOver = false

    private let delays: Delays
    private var unresolved: Set<AddressFamily> = [.ipv6, .ipv4]
    private var pending: [AddressFamily: ArraySlice<SocketAddress>] = [:]
    private var timer: Timer?
    private var running = 0

    package init(delays: Delays = Delays()) { self.delays = delays }

    /// Takes an event, and says what to do about it, in order.
    package mutating func on(_ event: Event) -> [Action] {
        guard !isOver else { return [] }
        switch event {
        case .resolved(let family, let addresses):
            guard unresolved.remove(family) != nil else { return [] }
            pending[family] = addresses.inOrderOfPreference[...]
            return advance()
        case .resolutionFailed(let error):
            unresolved = []
            resolutionFailure = error
            return advance()
        case .timerFired:
            guard timer != nil else { return [] }
            timer = nil
            return hasPending ? startNext() : []
        case .succeeded(let attempt): return end(.win(attempt: attempt))
        case .failed(let attempt, let error):
            attempts[attempt].state = .failed(error)
            running -= 1
            if hasPending { return startNext() }
            // What comes later need not wait for an attempt that has ended.
            return running == 0 && unresolved.isEmpty ? end(.lose) : stopTimer()
        case .limitPassed:
            hasExpired = true
            return end(.lose)
        }
    }

    private var hasPending: Bool { pending.values.contains { !$0.isEmpty } }

    // More is known about addresses. While an attempt runs alone by right, they wait for the timer.
    private mutating func advance() -> [Action] {
        if timer == .attempt { return hasPending || !unresolved.isEmpty ? [] : stopTimer() }
        guard hasPending else { return running == 0 && unresolved.isEmpty ? end(.lose) : [] }
        let mayWaitForIPv6 = attempts.isEmpty && unresolved.contains(.ipv6)
        guard mayWaitForIPv6 else { return startNext() }
        guard timer == nil else { return [] }
        timer = .resolution
        return [.setTimer(delays.resolution)]
    }

    private mutating func startNext() -> [Action] {
        guard let address = takeNext() else { return [] }
        attempts.append((address, .running))
        running += 1
        let start = Action.start(attempt: attempts.count - 1, address)
        guard hasPending || !unresolved.isEmpty else { return [start] + stopTimer() }
        timer = .attempt
        return [start, .setTimer(delays.attempt)]
    }

    // The first is the one that is preferred among all; then the families take turns (section 4).
    private mutating func takeNext() -> SocketAddress? {
        let (ipv6, ipv4) = (pending[.ipv6]?.first, pending[.ipv4]?.first)
        let family: AddressFamily
        if let last = attempts.last?.address.nameFamily {
            family = pending[last.other]?.isEmpty == false ? last.other : last
        } else {
            family = ipv6?.precedence ?? 0 >= ipv4?.precedence ?? 0 ? .ipv6 : .ipv4
        }
        return pending[family]?.popFirst()
    }

    private mutating func stopTimer() -> [Action] {
        guard timer != nil else { return [] }
        timer = nil
        return [.stopTimer]
    }

    private mutating func end(_ action: Action) -> [Action] {
        isOver = true
        return stopTimer() + [action]
    }
}
