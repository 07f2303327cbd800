// When requests are to be sent in an open loop. Pure: nanoseconds from the start of the run, in closed form, so that no rounding adds
// up and no clock is asked. Latency counts from these moments, whenever a request really gets away (coordinated omission).
import Glibc

/// The moments at which requests are due.
public nonisolated struct ArrivalSchedule: Equatable, Sendable {
    /// How the moments lie.
    public enum Shape: Equatable, Sendable {
        /// Evenly.
        case constant
        /// Each independently of all others, as from many people who know nothing of each other (a Poisson process).
        case poisson(seed: UInt64)
        /// So many at once, then a pause.
        case burst(size: Int)
        /// Evenly at every moment, the rate growing or shrinking linearly to this one at the end.
        case ramp(to: Double)
        /// At these moments, in order, in nanoseconds from the start.
        case listed([UInt64])
    }

    /// Requests a second; of a ramp, at its start.
    public var rate: Double
    /// How they lie.
    public var shape: Shape
    /// How long requests are due, in nanoseconds.
    public var duration: UInt64

    /// A schedule over `duration`.
    public init(rate: Double, shape: Shape, duration: UInt64) {
        (self.rate, self.shape, self.duration) = (rate, shape, duration)
    }

    /// The average over the whole schedule, in requests a second.
    public var meanRate: Double { if case .ramp(let end) = shape { (rate + end) / 2 } else { rate } }

    /// What comes before it while nothing is counted: as many requests a second as at its start, or on average where it has no rate.
    func warmUp(over duration: UInt64) -> ArrivalSchedule {
        switch shape {
        case .listed: ArrivalSchedule(rate: rate, shape: .constant, duration: duration)
        case .ramp: ArrivalSchedule(rate: max(rate, 1), shape: .constant, duration: duration)
        case .constant, .poisson, .burst: ArrivalSchedule(rate: rate, shape: shape, duration: duration)
        }
    }

    /// The moments of one process of several: each takes its turn, so that together they have the schedule.
    func arrivals(of process: Int, among processes: Int) -> Arrivals {
        Arrivals(schedule: self, index: process, step: processes)
    }

    /// When the request with this number is due, in nanoseconds; nil when it never is.
    ///
    /// Not for what is left to chance.
    func moment(of index: Int) -> Double? {
        let number = Double(index)
        switch shape {
        case .constant: return number * 1e9 / rate
        case .burst(let size): return Double(index / size * size) * 1e9 / rate
        case .ramp(let end):
            // The requests until t are rate·t + growth·t²/2; solved for t in the form that also holds for a growth of zero.
            let growth = (end - rate) / (Double(duration) / 1e9)
            let root = rate * rate + 2 * growth * number
            guard root >= 0, number > 0 else { return number > 0 ? nil : 0 }
            return 2e9 * number / (rate + root.squareRoot())
        case .listed(let moments): return index < moments.count ? Double(moments[index]) : nil
        case .poisson: return nil
        }
    }
}

/// The moments of one process, in order, in nanoseconds from the start.
nonisolated struct Arrivals: Sequence, IteratorProtocol {
    private let schedule: ArrivalSchedule
    private var index: Int
    private let step: Int
    private var time = 0.0
    private var random: SplitMix

    init(schedule: ArrivalSchedule, index: Int, step: Int) {
        (self.schedule, self.index, self.step) = (schedule, index, step)
        if case .poisson(let seed) = schedule.shape {
            // Seeds that differ by one must not give streams that are shifted by one.
            var mixer = SplitMix(state: seed)
            for _ in 0..<index { _ = mixer.next() }
            random = SplitMix(state: mixer.next())
        } else {
            random = SplitMix(state: 0)
        }
    }

    /// The next moment; nil when there is none before the end.
    mutating func next() -> UInt64? {
        let moment: Double?
        if case .poisson = schedule.shape {
            // The processes' streams together are one of the whole rate.
            time += -log(random.unit()) * 1e9 * Double(step) / schedule.rate
            moment = time
        } else {
            moment = schedule.moment(of: index)
            index += step
        }
        guard let moment, moment < Double(schedule.duration) else { return nil }
        return UInt64(moment)
    }
}

/// A small generator of random numbers that gives the same ones everywhere (Steele, Lea, Flood 2014).
nonisolated struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number above 0, at most 1.
    mutating func unit() -> Double { (Double(next() >> 11) + 1) * 0x1p-53 }
}
