// How many datagrams may be sent, as a value without a clock: a token bucket. BroadcastLimiter asks it before each broadcast.
//
// Invariant: within any stretch of time no more than `burst` datagrams go, and one more for each `interval` of its length. One number is all
// the state: the moment until which the budget is spent (the generic cell rate algorithm, which is a token bucket that is
// never refilled step by step and so rounds nothing).

/// A limit on how often something is sent: so many a second, and so many at once after a pause.
///
/// Broadcasts reach every machine of a network, and each of them has to look at them: too many are a broadcast storm.
public nonisolated struct SendBudget: Equatable, Sendable {
    /// What a socket has unless it is told otherwise: 100 datagrams a second, 100 at once.
    ///
    /// Plenty to announce and to discover; of full size it is a tenth of an old 10 Mbit/s network.
    public static let standard = SendBudget(perSecond: 100, burst: 100)

    /// How many may go at once when nothing has been sent for a while.
    public let burst: Int

    /// Nanoseconds after which one more may go.
    package let interval: Int64

    // Nanoseconds on the caller's clock; as far as this the budget is spent. Nil while it is untouched.
    private var spentUntil: Int64?

    /// A budget of so many datagrams a second, from 1 to 1,000,000,000, with so many at once, from 1 to 1,000,000.
    ///
    /// Where a second cannot be divided evenly into nanoseconds it is rounded to fewer datagrams.
    public init(perSecond: Int, burst: Int) {
        precondition((1...1_000_000_000).contains(perSecond), "from 1 to 1,000,000,000 a second")
        precondition((1...1_000_000).contains(burst), "from 1 to 1,000,000 at once")
        interval = (1_000_000_000 + Int64(perSecond) - 1) / Int64(perSecond)
        self.burst = burst
    }

    /// How many may go now.
    package func available(at now: Int64) -> Int {
        guard let spentUntil, spentUntil > now else { return burst }
        let missing = (spentUntil - now + interval - 1) / interval
        return Int(max(0, Int64(burst) - missing))
    }

    /// Nanoseconds until the next may go; 0 when one may go now.
    package func wait(at now: Int64) -> Int64 {
        guard let spentUntil else { return 0 }
        return max(0, spentUntil - Int64(burst - 1) * interval - now)
    }

    /// Notes that so many have gone.
    ///
    /// No more than are available: whoever sends has asked before.
    package mutating func spend(_ count: Int = 1, at now: Int64) {
        precondition(count >= 0 && count <= available(at: now), "more was sent than the budget allows")
        guard count > 0 else { return }
        spentUntil = max(spentUntil ?? now, now) + Int64(count) * interval
    }
}
