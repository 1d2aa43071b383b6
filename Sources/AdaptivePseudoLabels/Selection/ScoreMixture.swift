import Foundation

/// Two normal distributions over the scores of predictions, wrong ones and right ones, fitted by expectation and maximization.
///
/// The threshold is where the upper component becomes the likelier one (as in DivideMix, arXiv 2002.07394, over losses, and in Consistent-Teacher,
/// arXiv 2209.01589, over scores). The scores are sorted first, so their order changes no bit.
public struct ScoreMixture: Equatable, Sendable {
    /// One normal distribution and its share of the scores.
    public struct Component: Equatable, Sendable {
        public var share: Double
        public var mean: Double
        public var variance: Double
    }

    /// The one of lower mean.
    public private(set) var lower: Component
    /// The one of higher mean.
    public private(set) var upper: Component
    /// The least score from which on the upper component is at least as likely as the lower one for every score; infinite without scores.
    public private(set) var threshold: Double

    /// Below this no variance falls: a deviation of 0.01.
    static let leastVariance = 1e-4

    /// Begins with the halves of the sorted scores and ends when the mean log-likelihood grows by less than 1e-9, or after 500 rounds. Fewer than two
    /// different scores are one component: all of them are at the threshold.
    ///
    /// - Parameter scores: in any order, finite.
    public init(_ scores: [Float]) {
        let x = scores.map(Double.init).sorted()
        let whole = Self.component(x, share: 1)
        (lower, upper, threshold) = (whole, whole, x.first ?? .infinity)
        guard let first = x.first, let last = x.last, first < last else { return }
        lower = Self.component(x[..<(x.count / 2)], share: 0.5)
        upper = Self.component(x[(x.count / 2)...], share: 0.5)
        var before = -Double.infinity
        for _ in 0..<500 {
            let likelihood = improve(x)
            guard likelihood - before >= 1e-9 else { break }
            before = likelihood
        }
        if lower.mean > upper.mean { swap(&lower, &upper) }
        threshold = last
        for score in x.reversed() {
            guard logDensity(score, upper) >= logDensity(score, lower) else { break }
            threshold = score
        }
    }

    private static func component(_ x: some Collection<Double>, share: Double) -> Component {
        let count = Double(max(1, x.count)), mean = x.reduce(0, +) / count
        return Component(share: share, mean: mean, variance: max(leastVariance, x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count))
    }

    /// Of a component's share, up to a constant that all components have.
    private func logDensity(_ x: Double, _ c: Component) -> Double {
        log(c.share) - 0.5 * log(c.variance) - 0.5 * (x - c.mean) * (x - c.mean) / c.variance
    }

    /// One round: what each component has to do with each score, then shares, means and variances.
    ///
    /// - Returns: the mean log-likelihood before the round, up to a constant.
    private mutating func improve(_ x: [Double]) -> Double {
        var sums = (0.0, 0.0, 0.0), likelihood = 0.0
        let parts = x.map { value in
            let a = logDensity(value, lower), b = logDensity(value, upper), top = max(a, b)
            let sum = exp(a - top) + exp(b - top)
            likelihood += top + log(sum)
            return exp(b - top) / sum
        }
        for (value, part) in zip(x, parts) {
            sums.0 += part
            sums.1 += part * value
            sums.2 += (1 - part) * value
        }
        let count = Double(x.count), others = count - sums.0
        guard sums.0 > 0, others > 0 else { return -.infinity }
        upper.mean = sums.1 / sums.0
        lower.mean = sums.2 / others
        var squares = (0.0, 0.0)
        for (value, part) in zip(x, parts) {
            squares.0 += part * (value - upper.mean) * (value - upper.mean)
            squares.1 += (1 - part) * (value - lower.mean) * (value - lower.mean)
        }
        upper.variance = max(Self.leastVariance, squares.0 / sums.0)
        lower.variance = max(Self.leastVariance, squares.1 / others)
        (upper.share, lower.share) = (sums.0 / count, others / count)
        return likelihood / count
    }
}
