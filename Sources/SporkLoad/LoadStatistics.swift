// The statistics behind comparisons: medians, straight lines, confidence intervals by resampling, and the words that follow from them.
// Pure: chance comes from a seed that is told, so that everybody gets the same numbers from the same measurements.
import Glibc

/// Statistics of few measurements.
public enum LoadStatistics {
    /// A range that contains the true value with a probability of 95 %.
    public struct Interval: Equatable {
        /// Its lower end.
        public var low: Double
        /// Its upper end.
        public var high: Double
    }

    /// The value in the middle; the mean of the two, of an even number; nil of none.
    public static func median(_ values: [Double]) -> Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        let half = sorted.count / 2
        return sorted.count.isMultiple(of: 2) ? (sorted[half - 1] + sorted[half]) / 2 : sorted[half]
    }

    /// The mean of ratios, by which a half and a double are 1; nil of none.
    public static func geometricMean(_ values: [Double]) -> Double? {
        guard !values.isEmpty, values.allSatisfy({ $0 > 0 }) else { return nil }
        return exp(values.reduce(0) { $0 + log($1) } / Double(values.count))
    }

    /// The 95 % interval of the ratios' mean, by drawing as many of them again with repetition, many times (Efron's percentile
    /// bootstrap).
    ///
    /// Nil for fewer than three: resampling cannot see more variety than there is.
    public static func interval(
        ofRatios ratios: [Double],
        seed: UInt64,
        resamples: Int = 10_000
    ) -> Interval? {
        guard ratios.count >= 3, ratios.allSatisfy({ $0 > 0 }) else { return nil }
        var random = SplitMix(state: seed)
        let logarithms = ratios.map { log($0) }
        let means = (0..<resamples).map { _ -> Double in
            var sum = 0.0
            for _ in logarithms { sum += logarithms[Int(random.next(upperBound: UInt64(logarithms.count)))] }
            return sum / Double(logarithms.count)
        }.sorted()
        // Few measurements vary less than what they are drawn from; this widens the interval to what n - 1 would give.
        let middle = means.reduce(0, +) / Double(means.count)
        let widening = (Double(ratios.count) / Double(ratios.count - 1)).squareRoot()
        func end(_ share: Double) -> Double {
            let value = means[Int((Double(resamples - 1) * share).rounded())]
            return exp(middle + (value - middle) * widening)
        }
        return Interval(low: end(0.025), high: end(0.975))
    }

    /// What a ratio of rates, or of costs, amounts to.
    public enum Finding: Equatable {
        /// More than the noise.
        case higher
        /// Less than the noise.
        case lower
        /// It may be chance.
        case noDifference
        /// There are too few measurements to tell.
        case undecided
    }

    /// Whether a mean ratio differs from 1.
    ///
    /// Its interval has to exclude 1, and it has to be farther from it than a contender was from itself. Without an interval, for which there have to be three measurements, nothing is decided.
    public static func finding(ratio: Double, interval: Interval?, noise: Interval?) -> Finding {
        guard let interval else { return .undecided }
        guard interval.low > 1 || interval.high < 1 else { return .noDifference }
        let floor = noise.map { max(abs(log($0.low)), abs(log($0.high))) } ?? 0
        guard abs(log(ratio)) > floor else { return .noDifference }
        return ratio > 1 ? .higher : .lower
    }

    /// A straight line through points, by least squares.
    public struct Line: Equatable {
        /// How much y grows when x grows by 1.
        public var slope: Double
        /// Where it crosses x = 0.
        public var intercept: Double
        /// The part of the variance that it explains.
        public var determination: Double
    }

    /// The line through points; nil unless there are two different x.
    public static func line(_ points: [(x: Double, y: Double)]) -> Line? {
        let count = Double(points.count)
        guard count >= 2 else { return nil }
        let (meanX, meanY) = (points.reduce(0) { $0 + $1.x } / count, points.reduce(0) { $0 + $1.y } / count)
        let spread = points.reduce(0) { $0 + ($1.x - meanX) * ($1.x - meanX) }
        guard spread > 0 else { return nil }
        let together = points.reduce(0) { $0 + ($1.x - meanX) * ($1.y - meanY) }
        let total = points.reduce(0) { $0 + ($1.y - meanY) * ($1.y - meanY) }
        let slope = together / spread
        return Line(
            slope: slope,
            intercept: meanY - slope * meanX,
            determination: total > 0 ? together * together / spread / total : 1
        )
    }

    /// An order for so many things that is as likely as any other (Fisher, Yates).
    static func order(_ count: Int, _ random: inout SplitMix) -> [Int] { Array(0..<count).shuffled(using: &random) }
}
