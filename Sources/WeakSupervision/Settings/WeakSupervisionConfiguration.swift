import Configuration

/// Section `fustal`: learning from the recordings' classes alone, in three stages.
public struct WeakSupervisionConfiguration: ConfigurationSection {
    public enum Filter: String, ConfigurationChoice, Sendable { case none, score, prior }

    // The generator.
    /// Rows that are sampled of a recording.
    public var segments = 750
    public var embeddingDimension = 2048
    /// Of the embeddings before the classifier.
    public var dropout = 0.7
    /// 1/ratio of the segments are easy snippets, and decide a recording's class scores.
    public var easyRatio = 5
    public var hardRatio = 20
    /// Widths of erosion and dilation between which hard snippets lie.
    public var hardInner = 3
    public var hardOuter = 6
    /// Of segments as easy snippets.
    public var miningDropout = 0.6
    public var temperature = 0.07
    public var contrastWeight = 0.01
    /// Within the contrast.
    public var crossVideoWeight = 0.2
    public var generatorIterations = 6000
    /// Recordings per iteration over all ranks.
    public var generatorBatchSize = 16
    public var generatorLearningRate = 1e-4
    /// L2, in the gradient.
    public var generatorWeightDecay = 5e-4

    // Proposals.
    /// Classes of at least this video score are proposed.
    public var classThreshold = 0.2
    /// In the training recordings their known classes are proposed instead.
    public var knownClasses = true
    public var upsampling = 24
    public var casThresholds = [0, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225]
    public var actionnessThresholds = [
        0.1, 0.125, 0.15, 0.175, 0.2, 0.225, 0.25, 0.275, 0.3, 0.325, 0.35, 0.375, 0.4, 0.425, 0.45, 0.475, 0.5, 0.525, 0.55, 0.575, 0.6, 0.625, 0.65,
        0.675, 0.7, 0.725, 0.75, 0.775, 0.8, 0.825, 0.85, 0.875, 0.9,
    ]
    /// Of a proposal's length, on each side.
    public var outerMargin = 0.25
    public var videoScoreWeight = 0.2
    public var nmsThreshold = 0.5
    /// Seconds added to every length when overlaps are measured in NMS, as published.
    public var nmsLengthOffset = 1.0
    /// Rows by which proposals are moved: where a segment's values are taken to stand, from its middle.
    public var proposalShift = -0.5

    // Selection.
    public var filter = Filter.prior
    /// Scores must be above.
    public var filterScore = 0.4
    /// Sum of tIoU with the recording's other proposals, at least.
    public var filterDensity = 0.2

    // The student.
    /// Trains a detector; otherwise the generator's proposals are the result.
    public var student = true
    /// When the student's own averaged predictions become its labels; at most one of the two, neither: never.
    public var distillAfterIterations: Int?
    public var distillAfterEpochs: Int?
    /// Scores must be above.
    public var distillScore = 0.4
    /// Standard deviation of the noise added to the features.
    public var inputNoise = 5e-4
    public var videoLossWeight = 1.0
    public var videoLossDropout = 0.7
    /// 1/ratio of the finest level's points decide a class.
    public var videoLossRatio = 5

    public init() {}

    public mutating func visit(_ keys: ConfigurationKeys) throws {
        let rate = Requirement<Double>.upTo(10, above: 0), part = Requirement<Double>.within(0...1), some = Requirement<Double>.below(1, atLeast: 0)
        let count = Requirement<Int>.within(1...ConfigurationLimits.batch)
        let thresholds = Requirement<[Double]>("ascending, at least 0 and below 1") { values in
            values.allSatisfy { $0 >= 0 && $0 < 1 } && zip(values, values.dropFirst()).allSatisfy { $0 < $1 }
        }
        try keys.value("segments", &segments, .within(1...1_048_576))
        try keys.value("embedding_dim", &embeddingDimension, .within(1...ConfigurationLimits.channels))
        try keys.value("dropout", &dropout, some)
        try keys.value("easy_ratio", &easyRatio, count)
        try keys.value("hard_ratio", &hardRatio, count)
        try keys.value("hard_inner", &hardInner, count)
        try keys.value("hard_outer", &hardOuter, count)
        try keys.value("mining_dropout", &miningDropout, some)
        try keys.value("temperature", &temperature, .above(0))
        try keys.value("contrast_weight", &contrastWeight, .atLeast(0))
        try keys.value("cross_video_weight", &crossVideoWeight, .atLeast(0))
        try keys.value("generator_iterations", &generatorIterations, .within(1...ConfigurationLimits.iterations))
        try keys.value("generator_batch_size", &generatorBatchSize, count)
        try keys.value("generator_learning_rate", &generatorLearningRate, rate)
        try keys.value("generator_weight_decay", &generatorWeightDecay, part)
        try keys.value("class_threshold", &classThreshold, part)
        try keys.value("known_classes", &knownClasses)
        try keys.value("upsampling", &upsampling, .within(1...1024))
        try keys.value("cas_thresholds", &casThresholds, thresholds)
        try keys.value("actionness_thresholds", &actionnessThresholds, thresholds)
        try keys.value("outer_margin", &outerMargin, .within(0...100))
        try keys.value("video_score_weight", &videoScoreWeight, .atLeast(0))
        try keys.value("nms_threshold", &nmsThreshold, part)
        try keys.value("nms_length_offset", &nmsLengthOffset, .atLeast(0))
        try keys.value("proposal_shift", &proposalShift, .within(-100...100))
        try keys.value("filter", &filter)
        try keys.value("filter_score", &filterScore, .within(-10...10))
        try keys.value("filter_density", &filterDensity, .atLeast(0))
        try keys.value("student", &student)
        try keys.value("distill_after_iterations", &distillAfterIterations, Requirement<Int>.within(1...ConfigurationLimits.iterations).orNull)
        try keys.value("distill_after_epochs", &distillAfterEpochs, Requirement<Int>.within(1...ConfigurationLimits.epochs).orNull)
        try keys.value("distill_score", &distillScore, part)
        try keys.value("input_noise", &inputNoise, .atLeast(0))
        try keys.value("video_loss_weight", &videoLossWeight, .atLeast(0))
        try keys.value("video_loss_dropout", &videoLossDropout, some)
        try keys.value("video_loss_ratio", &videoLossRatio, count)
    }
}
