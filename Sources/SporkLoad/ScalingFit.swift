// How throughput grows with the number of workers, as a law with few parameters: Gunther's universal scalability law,
// X(n) = λn / (1 + σ(n − 1) + κn(n − 1)), and Amdahl's, which is the same without κ. Pure. n/X(n) is linear in 1/λ, σ/λ and κ/λ; each
// point is weighted with X², so that what is made small is the relative error.

/// A law that fits measured points.
public struct ScalingFit: Equatable {
    /// A number of workers and what they did together.
    public struct Point: Equatable {
        /// How many.
        public var workers: Double
        /// Requests a second.
        public var rate: Double

        /// A point.
        public init(workers: Double, rate: Double) { (self.workers, self.rate) = (workers, rate) }
    }

    /// What one worker does alone, in requests a second.
    public var single: Double
    /// Contention: the part of the work that only one can do at a time.
    public var contention: Double
    /// Coherency: what each pair of workers costs.
    public var coherency: Double
    /// The part of the points' variance that the law explains, 1 at most.
    public var determination: Double

    /// Less is rounding: its peak would be beyond ten thousand workers.
    private static let leastCoherency = 1e-8

    /// Fits what the points allow: with three different numbers of workers both parameters, with two only contention.
    ///
    /// Neither is negative: a fit that wants that is made again without it. Nil for fewer than two different numbers.
    public init?(_ points: [Point]) {
        let points = points.filter { $0.workers >= 1 && $0.rate > 0 }
        let different = Set(points.map(\.workers)).count
        guard different >= 2 else { return nil }
        let candidates: [[Int]] = different >= 3 ? [[0, 1, 2], [0, 1], [0, 2], [0]] : [[0, 1], [0]]
        for columns in candidates {
            guard let solution = Self.solve(points, columns) else { continue }
            var parameters = [0.0, 0, 0]
            for (column, value) in zip(columns, solution) { parameters[column] = value }
            guard parameters[0] > 0, parameters.allSatisfy({ $0 >= 0 }) else { continue }
            (single, contention) = (1 / parameters[0], parameters[1] / parameters[0])
            (coherency, determination) = (parameters[2] / parameters[0], 0)
            determination = determination(of: points)
            return
        }
        return nil
    }

    /// What so many workers do, by this law.
    public func rate(workers: Double) -> Double {
        single * workers / (1 + contention * (workers - 1) + coherency * workers * (workers - 1))
    }

    /// The number of workers from which on more do less; nil when there is none.
    public var peak: Double? {
        coherency > Self.leastCoherency && contention < 1 ? ((1 - contention) / coherency).squareRoot() : nil
    }

    private func determination(of points: [Point]) -> Double {
        let mean = points.reduce(0) { $0 + $1.rate } / Double(points.count)
        let total = points.reduce(0) { $0 + ($1.rate - mean) * ($1.rate - mean) }
        let left = points.reduce(0) { sum, point in
            let error = point.rate - rate(workers: point.workers)
            return sum + error * error
        }
        return total > 0 ? 1 - left / total : 1
    }

    private static func solve(_ points: [Point], _ columns: [Int]) -> [Double]? {
        let size = columns.count
        var matrix = [[Double]](repeating: [Double](repeating: 0, count: size + 1), count: size)
        // Rates are made small numbers first: their squares are the weights.
        let scale = points.map(\.rate).max() ?? 1
        for point in points {
            let (workers, rate) = (point.workers, point.rate / scale)
            let all = [1, workers - 1, workers * (workers - 1)]
            let row = columns.map { all[$0] * rate }
            for first in 0..<size {
                for second in 0..<size { matrix[first][second] += row[first] * row[second] }
                matrix[first][size] += row[first] * workers
            }
        }
        return eliminate(matrix)?.map { $0 / scale }
    }

    // Gauss's elimination of a few normal equations; nil when they say too little.
    private static func eliminate(_ equations: [[Double]]) -> [Double]? {
        var matrix = equations
        let size = matrix.count
        for column in 0..<size {
            guard let pivot = (column..<size).max(by: { abs(matrix[$0][column]) < abs(matrix[$1][column]) }),
                abs(matrix[pivot][column]) > 1e-12
            else { return nil }
            matrix.swapAt(column, pivot)
            for row in 0..<size where row != column {
                let factor = matrix[row][column] / matrix[column][column]
                for index in column...size { matrix[row][index] -= factor * matrix[column][index] }
            }
        }
        return (0..<size).map { matrix[$0][size] / matrix[$0][$0] }
    }
}
