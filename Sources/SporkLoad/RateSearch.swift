// Finds the highest rate that holds: first it climbs, twice as fast each time, until a rate does not hold; then it halves what lies
// between the highest that held and the lowest that did not; what is found has to hold once more in a window of its own. A pure state
// machine: it is told what a rate gave and says which rate is next. Noise may make a rate hold once and not again: what was found that
// way is worth little, so from a rate that fails to be confirmed on it goes down in steps, until one holds twice in a row.

/// The search for the highest rate that holds.
public struct RateSearch: Equatable {
    /// What comes next.
    public enum Action: Equatable {
        /// Measure this rate.
        case measure(Double)
        /// It is over.
        case finish(Outcome)
    }

    /// How it ends.
    public enum Outcome: Equatable {
        /// The highest rate that held twice.
        case found(Double)
        /// Not even the lowest rate held.
        case nothingHolds
        /// The highest rate that may be tried held, twice.
        case limit(Double)
        /// The generator was the limit: the highest rate before that which held, if any.
        case generatorBound(Double?)
        /// It took more windows than it may: the highest rate that held, if any.
        case windowsExhausted(Double?)
    }

    /// What a rate gave.
    public enum Measurement: Equatable {
        case held, missed, generatorBound
    }

    private enum State: Equatable {
        case climbing, bisecting, confirming, backingOff, finished
    }

    /// Nothing below this is tried, in requests a second.
    public static let lowest = 1.0
    /// How far each step goes down from a rate that held only once.
    public static let backOff = 0.9
    /// By how much two rates may differ for the search to be over, as a part of the lower one.
    public var precision: Double
    /// The highest rate that is tried.
    public var highest: Double
    /// How many windows it may take.
    public var mostWindows: Int

    private var state = State.climbing
    private var rate: Double
    private var held: Double?
    private var missed: Double?
    private var windows = 0

    /// Begins with `start` requests a second.
    public init(start: Double, highest: Double = 1_000_000, precision: Double = 0.05, mostWindows: Int = 40) {
        self.highest = highest
        self.precision = precision
        self.mostWindows = mostWindows
        rate = min(max(start, Self.lowest), highest)
    }

    /// What comes first.
    public var first: Action { .measure(rate) }

    /// Takes what the rate that was asked for has given.
    public mutating func on(_ measurement: Measurement) -> Action {
        precondition(state != .finished, "the search is over")
        windows += 1
        switch measurement {
        case .generatorBound: return finish(.generatorBound(held))
        case .missed:
            missed = min(missed ?? rate, rate)
            if let highest = held, highest >= rate { held = nil }
        case .held:
            if state == .confirming { return finish(rate == highest ? .limit(rate) : .found(rate)) }
            held = max(held ?? 0, rate)
        }
        if windows >= mostWindows { return finish(.windowsExhausted(held)) }
        let isLoweredAgain = state == .backingOff || state == .confirming
        return isLoweredAgain ? afterBackingOff(measurement) : next()
    }

    private mutating func afterBackingOff(_ measurement: Measurement) -> Action {
        if measurement == .held { return measure(rate, .confirming) }
        if rate <= Self.lowest { return finish(.nothingHolds) }
        return measure(max(rate * Self.backOff, Self.lowest), .backingOff)
    }

    private mutating func next() -> Action {
        guard let missed else {
            // Nothing has failed yet.
            if rate == highest { return measure(highest, .confirming) }
            return measure(min(rate * 2, highest), .climbing)
        }
        guard let held else {
            // Nothing has held yet.
            if missed <= Self.lowest { return finish(.nothingHolds) }
            return measure(max(missed / 2, Self.lowest), .bisecting)
        }
        if missed - held <= held * precision { return measure(held, .confirming) }
        return measure((held + missed) / 2, .bisecting)
    }

    private mutating func measure(_ rate: Double, _ state: State) -> Action {
        (self.rate, self.state) = (rate, state)
        return .measure(rate)
    }

    private mutating func finish(_ outcome: Outcome) -> Action {
        state = .finished
        return .finish(outcome)
    }
}
