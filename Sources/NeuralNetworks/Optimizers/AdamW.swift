import Autograd
import Kernels

/// Adam with decoupled weight decay (Loshchilov and Hutter: "Decoupled weight decay regularization", ICLR 2019), as `torch.optim.AdamW` computes it:
///
///     w = w (1 - lr decay)
///     m = m + (1 - beta1)(g - m);    v = beta2 v + (1 - beta2) g g
///     w = w - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
///
/// With `.gradient` the decay is Adam's own L2 term instead, as `torch.optim.Adam(weight_decay:)` computes it: g = g + decay w, for all parameters.
///
/// With `momentum` the steps are those of stochastic gradient descent in place of Adam's (`GradientDescent.swift`).
///
/// One threaded pass over the arena does clipping, moments, weights and the moving average of the weights. Every element depends on itself alone, so
/// neither threads nor ranks change a bit.
public final class AdamW {
    /// Where weight decay acts.
    public enum Decay: Sendable {
        /// On the weights, beside the gradient: AdamW. Parameters marked `isDecayed` alone.
        case decoupled
        /// In the gradient (L2): Adam. All parameters.
        case gradient
    }

    public let beta1 = 0.9
    public let beta2 = 0.999
    public let epsilon = 1e-8
    public let weightDecay: Double
    public let decay: Decay
    /// Of stochastic gradient descent; nil: Adam.
    public let momentum: Double?
    /// Steps taken.
    public var step = 0
    /// First and second moments, in the arena's order; with `momentum` the first are the moving sums of the gradients, the second stay 0.
    public let firstMoments: UnsafeMutablePointer<Float>
    public let secondMoments: UnsafeMutablePointer<Float>

    let arena: ParameterArena
    /// Per block of 16 elements: whether weight decay applies. Parameters begin at block boundaries.
    let isDecayed: [Bool]
    /// Neighbouring blocks of one factor of the learning rate, all blocks in their order.
    private(set) var segments: [Segment]
    static let width = 16

    struct Segment {
        var blocks: Range<Int>
        /// 0: the parameters are frozen.
        var factor: Double
    }

    /// Moments of 0 for all of the arena, at step 0; it holds twice the arena's memory.
    ///
    /// - Parameters:
    ///   - arena: the parameters; must be complete.
    ///   - weightDecay: factor of the decay; with `.decoupled` it is multiplied by the learning rate.
    ///   - decay: where it acts.
    ///   - momentum: in [0, 1), of stochastic gradient descent, whose decay is in the gradient of parameters marked `isDecayed`; nil: Adam.
    public init(_ arena: ParameterArena, weightDecay: Double, decay: Decay = .decoupled, momentum: Double? = nil) {
        self.arena = arena
        self.momentum = momentum
        self.weightDecay = weightDecay
        self.decay = decay
        firstMoments = ParameterArena.makeArray(arena.count)
        secondMoments = ParameterArena.makeArray(arena.count)
        var decayed = [Bool](repeating: false, count: arena.count / Self.width)
        for parameter in arena.parameters where parameter.isDecayed {
            let first = parameter.arenaOffset / Self.width
            for block in first..<first + (parameter.count + Self.width - 1) / Self.width { decayed[block] = true }
        }
        isDecayed = decayed
        segments = []
        setFactors { _ in 1 }
    }

    /// Gives each parameter a factor of the learning rate, which also multiplies the decoupled decay. What is not learnt keeps 0.
    ///
    /// - Parameter factor: 0: the parameter is frozen. `update` leaves its weights, its moments and its average as they are, to the bit. 1 changes
    ///   no bit.
    public func setFactors(_ factor: (Parameter) -> Double) {
        segments = []
        for parameter in arena.parameters {
            let first = parameter.arenaOffset / Self.width, own = parameter.isLearnt ? factor(parameter) : 0
            let blocks = first..<first + (parameter.count + Self.width - 1) / Self.width
            if let last = segments.last, last.factor == own, last.blocks.upperBound == first {
                segments[segments.count - 1].blocks = last.blocks.lowerBound..<blocks.upperBound
            } else {
                segments.append(Segment(blocks: blocks, factor: own))
            }
        }
    }

    /// Sets the gradients of frozen parameters to 0, so that the gradient's norm is that of the others.
    public func clearFrozenGradients() {
        for segment in segments where segment.factor == 0 {
            (arena.gradients + segment.blocks.lowerBound * Self.width).update(repeating: 0, count: segment.blocks.count * Self.width)
        }
    }

    deinit {
        UnsafeMutableRawPointer(firstMoments).deallocate()
        UnsafeMutableRawPointer(secondMoments).deallocate()
    }

    /// Forgets the moments, as if no step had been taken.
    public func reset() {
        step = 0
        firstMoments.update(repeating: 0, count: arena.count)
        secondMoments.update(repeating: 0, count: arena.count)
    }

    /// Takes one step along the arena's gradients.
    ///
    /// - Parameters:
    ///   - learningRate: this step's.
    ///   - gradientFactor: what the gradients are multiplied with first (clipping).
    ///   - average: moved towards the new weights when given.
    public func update(learningRate: Double, gradientFactor: Float = 1, average: WeightAverage? = nil) {
        let began = KernelCounter.begin(), trained = segments.filter { $0.factor != 0 }
        defer {
            let count = trained.reduce(0) { $0 + $1.blocks.count } * Self.width
            KernelCounter.end(began, .optimizer, operations: 18 * count, bytes: 4 * (average == nil ? 7 : 9) * count)
            PreparedWeights.forget()
        }
        step += 1
        if let momentum {
            return descend(trained, learningRate: learningRate, gradientFactor: gradientFactor, momentum: momentum, average: average)
        }
        let parts = trained.map { (blocks: $0.blocks, rule: rule(learningRate * $0.factor, gradientFactor: gradientFactor, average: average)) }
        let weights = vectors(arena.values), gradients = vectors(arena.gradients)
        let first = vectors(firstMoments), second = vectors(secondMoments)
        let averages = average.map { vectors($0.values) }
        isDecayed.withUnsafeBufferPointer { isDecayed in
            Threads.overRanges(isDecayed.count, grain: 1024) { blocks in
                for (own, rule) in parts {
                    for i in own.clamped(to: blocks) {
                        var w = weights[i]
                        var g = gradients[i] * rule.factor
                        if rule.l2 > 0 { g += rule.l2 * w }
                        if isDecayed[i] { w *= rule.keep }
                        let m = first[i] + rule.beta1 * (g - first[i])
                        let v = rule.beta2 * second[i] + rule.complement2 * (g * g)
                        w -= rule.size * (m / (v.squareRoot() / rule.correction2 + rule.epsilon))
                        first[i] = m
                        second[i] = v
                        weights[i] = w
                        if let averages { averages[i] = rule.decay * averages[i] + rule.complement * w }
                    }
                }
            }
        }
    }

    private func rule(_ learningRate: Double, gradientFactor: Float, average: WeightAverage?) -> Rule {
        let correction1 = 1 - pow(beta1, step)
        let correction2 = (1 - pow(beta2, step)).squareRoot()
        return Rule(
            keep: decay == .decoupled ? Float(1 - learningRate * weightDecay) : 1, l2: decay == .gradient ? Float(weightDecay) : 0,
            factor: gradientFactor, beta1: Float(1 - beta1), beta2: Float(beta2),
            complement2: Float(1 - beta2), correction2: Float(correction2), epsilon: Float(epsilon), size: Float(learningRate / correction1),
            decay: Float(average?.decay ?? 0), complement: Float(1 - (average?.decay ?? 0)))
    }

    private struct Rule {
        let keep, l2, factor, beta1, beta2, complement2, correction2, epsilon, size, decay, complement: Float
    }

    func vectors(_ array: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<SIMD16<Float>> {
        UnsafeMutableRawPointer(array).assumingMemoryBound(to: SIMD16<Float>.self)
    }

    private func pow(_ base: Double, _ exponent: Int) -> Double {
        var result = 1.0
        var power = base
        var remaining = exponent
        while remaining > 0 {
            if remaining & 1 == 1 { result *= power }
            power *= power
            remaining >>= 1
        }
        return result
    }
}
