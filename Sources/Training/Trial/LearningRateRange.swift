import Foundation

/// The losses of a range test: one step for each of some ascending learning rates (Smith 2017).
public struct LearningRateRange: Equatable, Sendable {
    /// A step of the test.
    public struct Point: Codable, Equatable, Sendable {
        public var rate: Double
        /// The step's total loss; infinite when it was not a number.
        public var loss: Double
        /// The moving average of the losses up to this step.
        public var smoothed: Double

        enum CodingKeys: String, CodingKey {
            case loss, smoothed
            case rate = "learning_rate"
        }

        /// `smoothed` is the moving average that ends with `loss`.
        public init(rate: Double, loss: Double, smoothed: Double) {
            self.rate = rate
            self.loss = loss
            self.smoothed = smoothed
        }

        /// JSON has no infinity: a loss that was no number is null.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(rate, forKey: .rate)
            try container.encode(loss.isFinite ? loss : nil, forKey: .loss)
            try container.encode(smoothed.isFinite ? smoothed : nil, forKey: .smoothed)
        }
    }

    /// What the curve says.
    public enum Verdict: Equatable, Sendable {
        /// The rate to train with.
        case rate(Double)
        /// The loss fell at no rate by enough to tell.
        case flat
    }

    /// Weight of the average before in the moving average.
    public static let smoothing = 0.9
    /// The loss has diverged where its moving average is so many times the least one.
    public static let divergence = 3.0
    /// The rate to train with lies so far below the one of the least loss.
    public static let margin = 5.0
    /// `margin` in words.
    public static let marginText = "fifth"
    /// The least loss must be below this part of the first one.
    public static let leastFall = 0.95

    /// In ascending order of rates.
    public private(set) var points: [Point] = []
    private var sum = 0.0

    /// No steps yet.
    public init() {}

    /// The rate of a step, the first at the range's beginning, the last at its end, each by the same factor above the one before.
    public static func rate(_ step: Int, of steps: Int, in rates: ClosedRange<Double>) -> Double {
        rates.lowerBound * pow(rates.upperBound / rates.lowerBound, Double(step) / Double(max(steps - 1, 1)))
    }

    /// Adds the step with the next higher rate.
    public mutating func add(rate: Double, loss: Double) {
        let value = loss.isNaN ? .infinity : loss
        sum = Self.smoothing * sum + (1 - Self.smoothing) * value
        // The average of the losses there are, as if none were missing before the first.
        points.append(Point(rate: rate, loss: value, smoothed: sum / (1 - pow(Self.smoothing, Double(points.count + 1)))))
    }

    /// Whether the loss has grown beyond `divergence` times its least value.
    public var hasDiverged: Bool {
        guard let last = points.last else { return false }
        guard last.smoothed.isFinite else { return true }
        return !(last.smoothed <= Self.divergence * (points.map(\.smoothed).min() ?? 0))
    }

    /// The step of the least smoothed loss; nil: no step has a finite one.
    public var lowest: Point? { points.filter(\.smoothed.isFinite).min { $0.smoothed < $1.smoothed } }

    /// The rate of the lowest loss, divided by `margin`.
    public var verdict: Verdict {
        guard let lowest, let first = points.first, lowest.smoothed < Self.leastFall * first.smoothed else { return .flat }
        return .rate(Self.rounded(lowest.rate / Self.margin))
    }

    /// The nearest of 1, 2, 3, 5 times a power of ten.
    public static func rounded(_ rate: Double) -> Double {
        let power = pow(10, floor(log10(rate)))
        let steps = [1.0, 2, 3, 5, 10]
        let best = steps.min { abs(log($0 * power / rate)) < abs(log($1 * power / rate)) } ?? 1
        // Through its text, so that 2 x 10^-4 is the number that is read back.
        return Double(String(format: "%.0e", best * power)) ?? best * power
    }
}
