import NeuralNetworks

/// Everything that training changes. Data order and random streams are functions of seed and step, so they have no state of their own.
public final class TrainingState {
    public let arena: ParameterArena
    public let optimizer: AdamW
    public let average: WeightAverage
    /// Running count of positive points that losses are divided by: `n = 0.9 n + 0.1 max(positives, 1)`.
    public var lossNormalizer: Double
    /// Steps done.
    public var step = 0

    public init(arena: ParameterArena, weightDecay: Double, emaDecay: Double, initialLossNormalizer: Double) {
        self.arena = arena
        optimizer = AdamW(arena, weightDecay: weightDecay)
        average = WeightAverage(arena, decay: emaDecay)
        lossNormalizer = initialLossNormalizer
    }

    /// The arrays that a checkpoint holds, by the name of their group.
    var arrays: [(group: String, values: UnsafeMutablePointer<Float>)] {
        [
            ("weights", arena.values), ("average", average.values), ("first_moments", optimizer.firstMoments),
            ("second_moments", optimizer.secondMoments),
        ]
    }
}
