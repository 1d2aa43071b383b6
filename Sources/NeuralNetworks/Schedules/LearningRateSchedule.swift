import Foundation

/// The learning rate as a function of the iteration alone, so that a resumed run needs no state.
///
/// With a warm-up these are the published schedules (linear from 0, reaching the base rate at the warm-up's last iteration); without one they are
/// PyTorch's
/// `CosineAnnealingLR`, `MultiStepLR` and `ConstantLR` of factor 1.
public struct LearningRateSchedule: Equatable, Sendable {
    public enum Shape: Equatable, Sendable {
        /// Half a cosine from the base rate at the end of the warm-up down to `minimum` at `iterations`.
        case cosine(iterations: Int, minimum: Double)
        /// Multiplied by `factor` at each step; steps count iterations after the warm-up.
        case multistep(steps: [Int], factor: Double)
        case constant
    }

    /// What the published schedule goes down to.
    public static let publishedMinimum = 1e-8

    public var base: Double
    public var warmupIterations: Int
    public var shape: Shape

    public init(base: Double, warmupIterations: Int, shape: Shape) {
        self.base = base
        self.warmupIterations = warmupIterations
        self.shape = shape
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
