import Foundation

/// The learning rate as a function of the iteration alone, so that a resumed run needs no state.
///
/// With a warm-up these are the published schedules (linear from 0, reaching the base rate at the warm-up's last iteration); without one they are
/// PyTorch's
/// `CosineAnnealingLR`, `MultiStepLR` and `ConstantLR` of factor 1.
public struct LearningRateSchedule: Equatable, Sendable {
    /// How the rate falls after the warm-up.
    public enum Shape: Equatable, Sendable {
        /// Half a cosine from the base rate at the end of the warm-up down to `minimum` at `iterations`.
        case cosine(iterations: Int, minimum: Double)
        /// Multiplied by `factor` at each step; steps count iterations after the warm-up.
        case multistep(steps: [Int], factor: Double)
        case constant
    }

    /// What the published schedule goes down to.
    public static let publishedMinimum = 1e-8

    /// The rate at the end of the warm-up.
    public var base: Double
    /// Steps of the linear rise; 0: none.
    public var warmupIterations: Int
    public var shape: Shape

    /// The rate rises linearly to `base` over `warmupIterations` steps, and then follows `shape`.
    public init(base: Double, warmupIterations: Int, shape: Shape) {
        self.base = base
        self.warmupIterations = warmupIterations
        self.shape = shape
    }

    /// The same shape over another number of iterations: a step stands at the same part of what follows the warm-up.
    ///
    /// - Parameters:
    ///   - length: iterations that this schedule is for, warm-up included.
    ///   - iterations: those of the new one.
    ///   - base: the highest rate.
    ///   - warmup: iterations of the warm-up.
    public func scaled(from length: Int, to iterations: Int, base: Double, warmup: Int) -> LearningRateSchedule {
        let shape: Shape =
            switch self.shape {
            case .cosine: .cosine(iterations: iterations, minimum: warmup > 0 ? Self.publishedMinimum : 0)
            case .multistep(let steps, let factor):
                .multistep(
                    steps: steps.map { Self.scaled($0, from: length - warmupIterations, to: iterations - warmup) }, factor: factor)
            case .constant: .constant
            }
        return LearningRateSchedule(base: base, warmupIterations: warmup, shape: shape)
    }

    /// A step beyond the end of the first stage lies beyond that of the second.
    private static func scaled(_ step: Int, from length: Int, to other: Int) -> Int {
        guard length > 0, step < length else { return max(other, 0) }
        let (high, low) = step.multipliedFullWidth(by: max(other, 0))
        return length.dividingFullWidth((high, low)).quotient
    }

    /// The rate of iteration 0, 1, ...
    public func rate(at iteration: Int) -> Double {
        if iteration < warmupIterations {
            return warmupIterations > 1 ? base * Double(iteration) / Double(warmupIterations - 1) : 0
        }
        let after = iteration - warmupIterations
        switch shape {
        case .cosine(let iterations, let minimum):
            let length = iterations - warmupIterations
            guard length > 0 else { return base }
            return minimum + 0.5 * (base - minimum) * (1 + cos(.pi * Double(after) / Double(length)))
        case .multistep(let steps, let factor):
            return steps.reduce(base) { after >= $1 ? $0 * factor : $0 }
        case .constant:
            return base
        }
    }
}
