// Who has asked how often: a bucket of tokens for each, filled again as time passes. A value without a clock of its own; the rate limit owns one.

/// Buckets of tokens, by name.
struct TokenBuckets {
    /// How many names are remembered; when there are more, those whose buckets are full again are forgotten, or else all.
    static let mostNames = 100_000

    private let capacity: Double
    private let perSecond: Double
    private var buckets: [String: (tokens: Double, at: Double)] = [:]

    /// Buckets that hold `capacity` tokens, and are filled in `seconds`.
    init(capacity: Int, per seconds: Double) {
        precondition(capacity > 0 && seconds > 0, "a rate is more than nothing")
        self.capacity = Double(capacity)
        perSecond = Double(capacity) / seconds
    }

    /// How many names are remembered.
    var count: Int { buckets.count }

    /// Takes a token from a bucket; the seconds until there is one when there is none.
    mutating func take(_ name: String, at now: Double) -> Double? {
        if buckets.count >= Self.mostNames, buckets[name] == nil { forget(at: now) }
        let (before, at) = buckets[name] ?? (capacity, now)
        let tokens = min(capacity, before + (now - at) * perSecond)
        guard tokens >= 1 else { return (1 - tokens) / perSecond }
        buckets[name] = (tokens - 1, now)
        return nil
    }

    private mutating func forget(at now: Double) {
        let (capacity, perSecond) = (capacity, perSecond)
        buckets = buckets.filter { $0.value.tokens + (now - $0.value.at) * perSecond < capacity }
        if buckets.count >= Self.mostNames { buckets = [:] }
    }
}
