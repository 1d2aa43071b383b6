import RandomStreams

/// What a detector should have said of a batch, as far as steps over several ranks must know it.
public protocol DetectorTargets {
    /// What is summed over all shards and ranks before losses are divided by it: one number for each of the detector's normalisers, finite and not
    /// negative. They are summed as whole multiples of 2^-20, so that the sum depends on no order.
    var counts: [Double] { get }

    /// Draws what depends on the counts of the whole step: which targets are learnt from, so that there are about as many of each kind.
    ///
    /// - Parameters:
    ///   - sums: of `counts` over all shards and ranks.
    ///   - random: of the shard and the step.
    /// - Returns: further counts, which are summed in another message and follow the others in the order of the normalisers; as many for all targets of a
    ///   detector. By default none: then there is no message.
    mutating func settle(_ sums: [Double], random: inout RandomStream) -> [Double]
}

extension DetectorTargets {
    /// Nothing is drawn.
    public mutating func settle(_ sums: [Double], random: inout RandomStream) -> [Double] { [] }
}

/// The targets of each point of the pyramid. Points are packed level by level, finest first; within a level video by video.
public struct PointTargets: DetectorTargets {
    /// [points, classes], 0 or 1 (before label smoothing), or between in mixtures of recordings.
    public var classes: [Float]
    /// [points, 2], distances to the start and the end in units of the level's stride; meaningful for positives alone.
    public var offsets: [Float]
    /// Indices of the positive points, ascending.
    public var positives: [Int]
    /// Places in `classes` above 0 whose action is not the one that the point's offsets lead to: where two recordings are mixed.
    public var withoutOffsets: Set<Int>
    /// [points], factors of every loss of a point, 0 or more; nil: all 1.
    public var weights: [Float]?

    /// Targets of packed points; `weights` nil counts every point as 1.
    public init(classes: [Float], offsets: [Float], positives: [Int], withoutOffsets: Set<Int> = [], weights: [Float]? = nil) {
        self.classes = classes
        self.offsets = offsets
        self.positives = positives
        self.withoutOffsets = withoutOffsets
        self.weights = weights
    }

    /// The weights of the positive points, in their order; nil: all 1.
    public var positiveWeights: [Float]? { weights.map { weights in positives.map { weights[$0] } } }

    /// The sum of the positive points' weights.
    public var counts: [Double] { [positiveWeights?.reduce(0.0) { $0 + Double($1) } ?? Double(positives.count)] }
}
