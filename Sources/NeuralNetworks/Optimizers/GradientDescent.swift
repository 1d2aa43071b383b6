import Kernels

extension AdamW {
    /// A step of stochastic gradient descent with momentum, as `torch.optim.SGD` computes it (dampening 0, no Nesterov):
    ///
    ///     g = g + decay w    (parameters marked `isDecayed`)
    ///     v = momentum v + g
    ///     w = w - lr v
    ///
    /// - Parameters:
    ///   - trained: neighbouring blocks with their factors of the learning rate.
    ///   - learningRate: this step's.
    ///   - gradientFactor: what the gradients are multiplied with first (clipping).
    ///   - momentum: in [0, 1).
    ///   - average: moved towards the new weights when given.
    func descend(_ trained: [Segment], learningRate: Double, gradientFactor: Float, momentum: Double, average: WeightAverage?) {
        let weights = vectors(arena.values), gradients = vectors(arena.gradients), moments = vectors(firstMoments)
        let averages = average.map { vectors($0.values) }, keep = Float(average?.decay ?? 0), take = Float(1 - (average?.decay ?? 0))
        let momentum = Float(momentum), l2 = Float(weightDecay)
        isDecayed.withUnsafeBufferPointer { isDecayed in
            Threads.overRanges(isDecayed.count, grain: 1024) { blocks in
                for segment in trained {
                    let rate = Float(learningRate * segment.factor)
                    for i in segment.blocks.clamped(to: blocks) {
                        var g = gradients[i] * gradientFactor
                        if isDecayed[i] { g += l2 * weights[i] }
                        let v = momentum * moments[i] + g, w = weights[i] - rate * v
                        moments[i] = v
                        weights[i] = w
                        if let averages { averages[i] = keep * averages[i] + take * w }
                    }
                }
            }
        }
    }
}
