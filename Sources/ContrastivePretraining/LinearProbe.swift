import Diagnostics
import Foundation
import Kernels

/// A linear classifier of frames, the measure of a representation that is not trained further: multinomial logistic regression with an L2 term.
///
/// APL's supplement measures ACP by the accuracy of a logistic regression on frames (Tables S2 and S5); it gives neither the solver nor the term.
/// Columns are standardized with the means and deviations of the training rows. The minimised function is
/// `mean over rows of -log softmax(W z + b)[label] + l2 / 2 |W|^2`, biases free. Classes without a row are never predicted. Nesterov's accelerated
/// gradient descent over all rows, restarted where the momentum points uphill (O'Donoghue and Candes 2015), step 1 / L with
/// `L = eigenvalue / 2 + l2` from the largest eigenvalue of the rows' second moments (Boehning 1992). No randomness; the same bits for every number
/// of threads.
public struct LinearProbe: Sendable {
    /// When the descent ends, and the L2 term.
    public struct Settings: Equatable, Sendable {
        /// Factor of half the squared weights, beside the mean over rows; above 0.
        public var l2 = 1e-3
        /// The largest element of the gradient at which it ends.
        public var tolerance = 1e-5
        /// Steps after which it ends in any case.
        public var maximumIterations = 5000
        /// The defaults above.
        public init() {}
    }

    /// Classes that a training row has, ascending; the others are never predicted.
    public let present: [Int]
    /// Values of a row.
    public let columns: Int
    /// [present classes, columns + 1], of standardized columns; the last of each row is the bias.
    public private(set) var weights: [Double]
    /// Steps taken.
    public private(set) var iterations = 0
    /// The largest element of the gradient at the end, as a size.
    public private(set) var largestGradient = 0.0
    /// Whether the gradient came down to the tolerance.
    public private(set) var isConverged = true
    private let means: [Double]
    private let factors: [Double]

    /// - Parameters:
    ///   - x: training rows, [rows, columns].
    ///   - columns: values of a row, at least 1.
    ///   - labels: class of each row.
    ///   - settings: the L2 term and the end.
    /// - Throws: `Failure.badInput` without rows, and where a value is NaN or infinite.
    public init(_ x: [Float], columns: Int, labels: [Int], settings: Settings = Settings()) throws {
        precondition(columns > 0 && x.count == labels.count * columns, "\(x.count) values for \(labels.count) rows of \(columns)")
        guard !labels.isEmpty else {
            throw Failure.badInput("there is no frame to train the linear probe on", advice: "choose recordings that have frames and labels")
        }
        try Self.requireNumbers(x, columns: columns)
        present = Set(labels).sorted()
        self.columns = columns
        (means, factors) = Self.standardization(x, columns: columns)
        weights = [Double](repeating: 0, count: present.count * (columns + 1))
        // One class needs no weights.
        guard present.count > 1 else { return }
        let places = Dictionary(uniqueKeysWithValues: present.enumerated().map { ($1, $0) })
        let problem = LogisticRegression(
            standardized(x), columns: columns + 1, labels: labels.compactMap { places[$0] }, classes: present.count, l2: settings.l2)
        minimize(problem, settings)
    }

    /// The class of each row; of equal scores the lower class.
    ///
    /// - Parameter x: [rows, columns].
    /// - Throws: `Failure.badInput` where a value is NaN or infinite.
    public func predictions(_ x: [Float]) throws -> [Int] {
        precondition(x.count % columns == 0)
        try Self.requireNumbers(x, columns: columns)
        let rows = x.count / columns
        guard present.count > 1 else { return [Int](repeating: present[0], count: rows) }
        let scores = LogisticRegression.scores(standardized(x), columns: columns + 1, weights: weights.map { Float($0) }, classes: present.count)
        return (0..<rows).map { row in
            var best = 0
            for c in 1..<present.count where scores[row * present.count + c] > scores[row * present.count + best] { best = c }
            return present[best]
        }
    }

    // MARK: Rows

    private static func requireNumbers(_ x: [Float], columns: Int) throws {
        guard let place = x.firstIndex(where: { !$0.isFinite }) else { return }
        throw Failure.badInput(
            "the representation of frame \(place / columns) holds \(x[place].isNaN ? "NaN" : "an infinite value") in column \(place % columns)",
            advice: "use a checkpoint whose training has not diverged")
    }

    /// Means, and 1 / standard deviation (of the whole, not of a sample); 0 for columns that do not vary. Sums in the order of the rows.
    private static func standardization(_ x: [Float], columns: Int) -> (means: [Double], factors: [Double]) {
        let rows = x.count / columns
        var means = [Double](repeating: 0, count: columns), factors = means
        for row in 0..<rows { for c in 0..<columns { means[c] += Double(x[row * columns + c]) } }
        for c in 0..<columns { means[c] /= Double(rows) }
        for row in 0..<rows {
            for c in 0..<columns {
                let difference = Double(x[row * columns + c]) - means[c]
                factors[c] += difference * difference
            }
        }
        for c in 0..<columns {
            let deviation = (factors[c] / Double(rows)).squareRoot()
            // Below it a column varies by rounding alone.
            factors[c] = deviation > 1e-6 * max(abs(means[c]), 1e-30) ? 1 / deviation : 0
        }
        return (means, factors)
    }

    /// [rows, columns + 1], the last column 1.
    private func standardized(_ x: [Float]) -> [Float] {
        let rows = x.count / columns
        var z = [Float](repeating: 1, count: rows * (columns + 1))
        for row in 0..<rows {
            for c in 0..<columns { z[row * (columns + 1) + c] = Float((Double(x[row * columns + c]) - means[c]) * factors[c]) }
        }
        return z
    }

    // MARK: Descent

    private mutating func minimize(_ problem: LogisticRegression, _ settings: Settings) {
        var ahead = weights, momentum = 1.0, step = 1 / problem.smoothness
        // The function's value before a step without momentum.
        var before: Double?
        while true {
            let (value, gradient) = problem.valueAndGradient(ahead)
            largestGradient = gradient.reduce(0) { max($0, abs($1)) }
            isConverged = largestGradient <= settings.tolerance
            if isConverged || iterations == settings.maximumIterations { break }
            // Such a step cannot go uphill, unless the eigenvalue was taken too small.
            if let before, value > before + 1e-6 * max(1, abs(before)) { step /= 2 }
            iterations += 1
            let next = zip(ahead, gradient).map { $0 - step * $1 }
            var uphill = 0.0
            for i in next.indices { uphill += gradient[i] * (next[i] - weights[i]) }
            if uphill > 0, momentum > 1 {
                // Again from the last point, without momentum.
                (ahead, momentum, before) = (weights, 1, nil)
                continue
            }
            before = momentum == 1 ? value : nil
            let following = (1 + (1 + 4 * momentum * momentum).squareRoot()) / 2, share = (momentum - 1) / following
            for i in next.indices { ahead[i] = next[i] + share * (next[i] - weights[i]) }
            (weights, momentum) = (next, following)
        }
        weights = ahead
    }
}

/// The function that `LinearProbe` minimises, over standardized rows whose last column is 1.
struct LogisticRegression {
    private let z: [Float]
    private let columns: Int
    private let labels: [Int]
    private let classes: Int
    private let l2: Double
    private var rows: Int { labels.count }

    init(_ z: [Float], columns: Int, labels: [Int], classes: Int, l2: Double) {
        self.z = z
        self.columns = columns
        self.labels = labels
        self.classes = classes
        self.l2 = l2
    }

    /// z W^T, [rows, classes].
    static func scores(_ z: [Float], columns: Int, weights: [Float], classes: Int) -> [Float] {
        let rows = z.count / columns
        var scores = [Float](repeating: 0, count: rows * classes)
        MatrixMultiply.multiply(
            m: rows, n: classes, k: columns, z, lda: columns, weights, ldb: columns, transposeB: true, into: &scores, ldc: classes)
        return scores
    }

    /// - Parameter weights: [classes, columns].
    /// - Returns: the function and its gradient, [classes, columns].
    func valueAndGradient(_ weights: [Double]) -> (value: Double, gradient: [Double]) {
        var p = Self.scores(z, columns: columns, weights: weights.map { Float($0) }, classes: classes)
        var losses = [Double](repeating: 0, count: rows)
        p.withUnsafeMutableBufferPointer { p in
            losses.withUnsafeMutableBufferPointer { losses in
                guard let p = p.baseAddress, let losses = losses.baseAddress else { return }
                labels.withUnsafeBufferPointer { labels in
                    Threads.overRanges(rows) { for row in $0 { losses[row] = Self.softmax(p + row * classes, classes, label: labels[row]) } }
                }
            }
        }
        var products = [Float](repeating: 0, count: classes * columns)
        MatrixMultiply.multiply(
            m: classes, n: columns, k: rows, p, lda: classes, transposeA: true, z, ldb: columns, into: &products, ldc: columns,
            alpha: 1 / Float(rows))
        var value = losses.reduce(0, +) / Double(rows), gradient = products.map { Double($0) }
        for c in 0..<classes {
            for i in c * columns..<(c + 1) * columns - 1 {
                value += l2 / 2 * weights[i] * weights[i]
                gradient[i] += l2 * weights[i]
            }
        }
        return (value, gradient)
    }

    /// Scores become softmax - one-hot.
    ///
    /// - Returns: -log of the label's share.
    private static func softmax(_ scores: UnsafeMutablePointer<Float>, _ classes: Int, label: Int) -> Double {
        var largest = scores[0]
        for c in 1..<classes { largest = max(largest, scores[c]) }
        let own = Double(scores[label] - largest)
        var sum = 0.0
        for c in 0..<classes { sum += exp(Double(scores[c] - largest)) }
        for c in 0..<classes { scores[c] = Float(exp(Double(scores[c] - largest)) / sum) }
        scores[label] -= 1
        return log(sum) - own
    }

    /// The largest curvature: half the largest eigenvalue of z^T z / rows, and the L2 term.
    var smoothness: Double {
        // Irregular, so that it is at right angles to no eigenvector that matters.
        var direction = (0..<columns).map { Float(0.5 + (Double($0 + 1) * 0.618_033_988_749_895).truncatingRemainder(dividingBy: 1)) }
        var eigenvalue = 0.0
        for _ in 0..<100 {
            let length = direction.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            guard length > 0 else { break }
            direction = direction.map { Float(Double($0) / length) }
            var image = [Float](repeating: 0, count: rows), next = [Float](repeating: 0, count: columns)
            MatrixMultiply.multiply(m: rows, n: 1, k: columns, z, lda: columns, direction, ldb: 1, into: &image, ldc: 1)
            MatrixMultiply.multiply(
                m: columns, n: 1, k: rows, z, lda: columns, transposeA: true, image, ldb: 1, into: &next, ldc: 1, alpha: 1 / Float(rows))
            let found = zip(direction, next).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            direction = next
            if abs(found - eigenvalue) <= 1e-5 * found { break }
            eigenvalue = found
        }
        // The iteration comes from below.
        return 1.05 * eigenvalue / 2 + l2
    }
}
