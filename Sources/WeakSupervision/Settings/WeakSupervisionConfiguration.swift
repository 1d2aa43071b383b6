import Configuration

/// Section `fustal`: learning from the recordings' classes alone, in three stages.
public struct WeakSupervisionConfiguration: ConfigurationSection {
    /// Which proposals the student learns from.
    public enum Filter: String, ConfigurationChoice, Sendable { case none, score, prior }
    /// How the proposals of all thresholds and generators are joined: NMS over them, or one sum of wavelets (`RickerFusion`).
    public enum Fusion: String, ConfigurationChoice, Sendable { case none, ricker }

    // The generator.
    /// Generators that are trained beside each other, from seeds of their own.
    public var generators = 1
    /// Rows that are sampled of a recording.
    public var segments = 750
    public var embeddingDimension = 2048
    /// Of the embeddings before the classifier.
    public var dropout = 0.7
    /// 1/ratio of the segments are easy snippets, and decide a recording's class scores.
    public var easyRatio = 5
    /// 1/ratio of the segments are hard snippets.
    public var hardRatio = 20
    /// Widths of erosion and dilation between which hard snippets lie.
    public var hardInner = 3
    public var hardOuter = 6
    /// Of segments as easy snippets.
    public var miningDropout = 0.6
    /// What the contrast's similarities are divided by; above 0.
    public var temperature = 0.07
    /// Factor of the contrast in the generator's loss.
    public var contrastWeight = 0.01
    /// Within the contrast.
    public var crossVideoWeight = 0.2
    /// Recordings of the global mini-batch with whose easy snippets others are compared. null: all.
    public var crossVideoRecordings: Int? = 16
    public var generatorIterations = 6000
    /// Recordings per iteration over all ranks.
    public var generatorBatchSize = 16
    /// Of every iteration: there is neither warm-up nor decay.
    public var generatorLearningRate = 1e-4
    /// L2, in the gradient.
    public var generatorWeightDecay = 5e-4

    // Proposals.
    /// Classes of at least this video score are proposed.
    public var classThreshold = 0.2
    /// In the training recordings their known classes are proposed instead.
    public var knownClasses = true
    /// Values per segment that thresholds are laid on.
    public var upsampling = 24
    /// Thresholds on a class's activations, brought to [0, 1]; ascending.
    public var casThresholds = [0, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225]
    /// Thresholds on the actionness, brought to [0, 1]; ascending.
    public var actionnessThresholds = [
        0.1, 0.125, 0.15, 0.175, 0.2, 0.225, 0.25, 0.275, 0.3, 0.325, 0.35, 0.375, 0.4, 0.425, 0.45, 0.475, 0.5, 0.525, 0.55, 0.575, 0.6, 0.625, 0.65,
        0.675, 0.7, 0.725, 0.75, 0.775, 0.8, 0.825, 0.85, 0.875, 0.9,
    ]
    /// Of a proposal's length, on each side.
    public var outerMargin = 0.25
    /// Share of the class's video score that is added to a proposal's score.
    public var videoScoreWeight = 0.2
    /// tIoU from which a proposal is dropped for a better one.
    public var nmsThreshold = 0.5
    /// Seconds added to every length when overlaps are measured in NMS, as published.
    public var nmsLengthOffset = 1.0
    /// Rows by which proposals are moved: where a segment's values are taken to stand, from its middle.
    public var proposalShift = -0.5

    public var fusion = Fusion.none
    /// The least part of the sources in the minority from which a place is left out of the student's loss; nil: none is.
    public var maskDisagreement: Double?

    // Selection.
    public var filter = Filter.prior
    /// Scores must be above.
    public var filterScore = 0.4
    /// Sum of tIoU with the recording's other proposals, at least.
    public var filterDensity = 0.2
    /// Labels that overlap a better one of their recording, of any class, by more are dropped. 1: none is.
    public var labelOverlap = 1.0

    // The student.
    /// Trains a detector; otherwise the generator's proposals are the result.
    public var student = true
    /// When the student's own averaged predictions become its labels; at most one of the two, neither: never.
    public var distillAfterIterations: Int?
    /// Counted in epochs of all recordings.
    public var distillAfterEpochs: Int?
    /// Scores must be above.
    public var distillScore = 0.4
    /// Standard deviation of the noise added to the features.
    public var inputNoise = 5e-4
    /// Factor of the loss of whole recordings' classes.
    public var videoLossWeight = 1.0
    /// Probability of leaving a logit out of that loss, in training.
    public var videoLossDropout = 0.7
    /// 1/ratio of the finest level's points decide a class.
    public var videoLossRatio = 5

    /// The defaults of `docs/configuration.md`.
    public init() {}

    private static var rate: Requirement<Double> { .upTo(10, above: 0) }
    private static var part: Requirement<Double> { .within(0...1) }
    private static var some: Requirement<Double> { .below(1, atLeast: 0) }
    private static var count: Requirement<Int> { .within(1...ConfigurationLimits.batch) }
    private static var thresholds: Requirement<[Double]> {
        Requirement("ascending, at least 0 and below 1") { values in
            values.allSatisfy { $0 >= 0 && $0 < 1 } && zip(values, values.dropFirst()).allSatisfy { $0 < $1 }
        }
    }

    /// The keys of the generator, of its proposals and of the student.
    ///
    /// - Throws: `Failure.badInput` for a value of another type or out of bounds.
    public mutating func visit(_ keys: ConfigurationKeys) throws {
        try visitGenerator(keys)
        try visitProposals(keys)
        try visitStudent(keys)
    }

    private mutating func visitGenerator(_ keys: ConfigurationKeys) throws {
        try keys.value(
            "generators", &generators, .within(1...16), unit: "count",
            meaning: "that are trained beside each other, each with weights and random numbers of its own; their proposals are joined by `fusion`")
        try keys.value(
            "segments", &segments, .within(1...1_048_576), unit: "rows",
            meaning: "that the generator samples of a recording: in training always so many, rows of short recordings repeated; for "
                + "proposals at most so many")
        try keys.value("embedding_dim", &embeddingDimension, .within(1...ConfigurationLimits.channels), unit: "channels", meaning: "of the generator")
        try keys.value("dropout", &dropout, Self.some, meaning: "of the generator's embeddings before its classifier")
        try keys.value(
            "easy_ratio", &easyRatio, Self.count, meaning: "one of so many segments is an easy snippet; as many decide a recording's class scores")
        try keys.value("hard_ratio", &hardRatio, Self.count, meaning: "one of so many segments is a hard snippet")
        try keys.value("hard_inner", &hardInner, Self.count, unit: "segments", meaning: "erosion and dilation that hard snippets lie beyond")
        try keys.value("hard_outer", &hardOuter, Self.count, unit: "segments", meaning: "erosion and dilation that they lie within")
        try keys.value("mining_dropout", &miningDropout, Self.some, meaning: "probability that a segment is not considered as an easy snippet")
        try keys.value("temperature", &temperature, .above(0), meaning: "of the contrast")
        try keys.value("contrast_weight", &contrastWeight, .atLeast(0), meaning: "of the contrast")
        try keys.value(
            "cross_video_weight", &crossVideoWeight, .atLeast(0), meaning: "of the contrast between recordings of equal classes, within the contrast")
        try keys.value(
            "cross_video_recordings", &crossVideoRecordings, Requirement<Int>.within(1...ConfigurationLimits.batch).orNull, unit: "recordings",
            meaning: "of the global mini-batch with whose easy snippets those of equal classes are contrasted, drawn anew in every iteration; "
                + "`null`: all, whose cost per rank grows with the batch")
        try keys.value(
            "generator_iterations", &generatorIterations, .within(1...ConfigurationLimits.iterations), unit: "iterations",
            meaning: "length of the first stage")
        try keys.value(
            "generator_batch_size", &generatorBatchSize, Self.count, unit: "recordings",
            meaning: "per iteration over all ranks; a multiple of `virtual_shards`")
        try keys.value("generator_learning_rate", &generatorLearningRate, Self.rate, meaning: "constant; Adam")
        try keys.value("generator_weight_decay", &generatorWeightDecay, Self.part, meaning: "L2 in the gradient, of all parameters")
    }

    private mutating func visitProposals(_ keys: ConfigurationKeys) throws {
        try keys.value(
            "class_threshold", &classThreshold, Self.part, meaning: "classes of at least this video score are proposed, otherwise the best")
        try keys.value(
            "known_classes", &knownClasses,
            meaning: "in training recordings, proposals and distilled labels are of their known classes (all of them); false: as " + "elsewhere")
        try keys.value("upsampling", &upsampling, .within(1...1024), meaning: "points per segment on which thresholds are laid")
        try keys.value("cas_thresholds", &casThresholds, Self.thresholds, meaning: "of a class's normalised activations")
        try keys.value("actionness_thresholds", &actionnessThresholds, Self.thresholds, meaning: "of the normalised actionness")
        try keys.value(
            "outer_margin", &outerMargin, .within(0...100), unit: "parts of a proposal's length",
            meaning: "on each side, that a proposal's inside is compared with")
        try keys.value("video_score_weight", &videoScoreWeight, .atLeast(0), meaning: "of the class's video score in a proposal's score")
        try keys.value("nms_threshold", &nmsThreshold, Self.part, meaning: "tIoU from which NMS drops proposals of a class")
        try keys.value(
            "nms_length_offset", &nmsLengthOffset, .atLeast(0), unit: "seconds",
            meaning: "added to every length in this NMS, as published; 0: tIoU itself")
        try keys.value(
            "proposal_shift", &proposalShift, .within(-100...100), unit: "rows",
            meaning: "by which proposals are moved; -0.5 as published: a segment's value stands at its beginning; 0: in its middle")
        try keys.value(
            "fusion", &fusion,
            meaning: "how proposals of all thresholds and generators are joined: `none`: NMS over them; `ricker`: runs above 0 of the sum of their "
                + "Ricker wavelets")
        try keys.value(
            "mask_disagreement", &maskDisagreement, Requirement<Double>.upTo(0.5, above: 0).orNull, unit: "parts of the sources",
            meaning: "places where at least so many sources are in the minority are left out of the student's loss until distillation; a source is "
                + "the thresholds of activations, or of actionness, of one generator; `null`: no place is")
    }

    private mutating func visitStudent(_ keys: ConfigurationKeys) throws {
        try keys.value("filter", &filter, meaning: "which proposals become labels: all, by score, by score and density")
        try keys.value("filter_score", &filterScore, .within(-10...10), meaning: "scores must be above")
        try keys.value("filter_density", &filterDensity, .atLeast(0), meaning: "sum of tIoU with the recording's other proposals, at least")
        try keys.value(
            "label_overlap", &labelOverlap, Self.part, unit: "tIoU",
            meaning: "proposals, and predictions in distillation, that overlap a better one of any class by more become no labels; 1: all may")
        try keys.value(
            "student", &student,
            meaning: "false: the run ends with the generator, `predictions.json` holds its proposals, and `training` needs no length")
        try keys.value(
            "distill_after_iterations", &distillAfterIterations, Requirement<Int>.within(1...ConfigurationLimits.iterations).orNull,
            unit: "iterations", meaning: "of the student, after which it learns from itself; at most one of the two, neither: never")
        try keys.value(
            "distill_after_epochs", &distillAfterEpochs, Requirement<Int>.within(1...ConfigurationLimits.epochs).orNull, unit: "epochs",
            meaning: "the same")
        try keys.value("distill_score", &distillScore, Self.part, meaning: "predictions must be above to become labels; the best one when none is")
        try keys.value("input_noise", &inputNoise, .atLeast(0), meaning: "standard deviation of the noise on the student's features")
        try keys.value("video_loss_weight", &videoLossWeight, .atLeast(0), meaning: "of the loss of the recording's classes in the student")
        try keys.value("video_loss_dropout", &videoLossDropout, Self.some, meaning: "of the finest level's logits in it")
        try keys.value("video_loss_ratio", &videoLossRatio, Self.count, meaning: "one of so many of the finest level's points decides a class")
    }
}
