import Configuration
import Detectors
import TrainingMethods

/// Section `apl`: stages, selection and weights of learning from pseudo-labels.
public struct PseudoLabelConfiguration: ConfigurationSection {
    public enum Selection: String, ConfigurationChoice, Sendable {
        case adaptive, fixed
        case adaptivePerClass = "adaptive_per_class"
    }
    public enum Score: String, ConfigurationChoice, Sendable {
        case joint
        case classScore = "class"
    }

    /// Branches that assess predicted segments.
    public var alqa = QualityBranches.tiouTND
    /// The probability in the focal loss.
    public var alqaScore = QualitySettings.FocalScore.joint
    public var localizationWeight = 0.1
    /// Length of the pre-training without labels; at most one of the two. Neither: none.
    public var pretrainingIterations: Int?
    public var pretrainingEpochs: Int?
    /// null: that of `training`.
    public var pretrainingLearningRate: Double?
    /// Rounds of labelling anew and training jointly.
    public var rounds = 2
    /// Length of a round; exactly one of the two when there are rounds.
    public var roundIterations: Int?
    public var roundEpochs: Int?
    /// Linear warm-up of the first round.
    public var roundWarmupIterations = 0
    /// null: that of `training`.
    public var roundLearningRate: Double?
    /// Unlabelled recordings per iteration over all ranks.
    public var unlabeledBatchSize = 2
    public var unlabeledWeight = 2.0
    /// The weights that predict.
    public var teacher = TrainingConfiguration.Weights.current
    public var selection = Selection.adaptive
    public var selectionScore = Score.joint
    /// Predictions below this are dropped before the threshold is computed.
    public var selectionFloor = 0.15
    /// For `fixed`.
    public var fixedThreshold = 0.3
    /// MixUp's Beta(alpha, alpha). null: no mixing.
    public var mixupAlpha: Double?

    public init() {}

    public mutating func visit(_ keys: ConfigurationKeys) throws {
        let steps = 1...ConfigurationLimits.iterations, epochs = 1...ConfigurationLimits.epochs
        let rate = Requirement<Double>.upTo(10, above: 0)
        try keys.value("alqa", &alqa)
        try keys.value("alqa_score", &alqaScore)
        try keys.value("localization_weight", &localizationWeight, .atLeast(0))
        try keys.value("pretraining_iterations", &pretrainingIterations, Requirement<Int>.within(0...ConfigurationLimits.iterations).orNull)
        try keys.value("pretraining_epochs", &pretrainingEpochs, Requirement<Int>.within(0...ConfigurationLimits.epochs).orNull)
        try keys.value("pretraining_learning_rate", &pretrainingLearningRate, rate.orNull)
        try keys.value("rounds", &rounds, .within(0...1000))
        try keys.value("round_iterations", &roundIterations, Requirement<Int>.within(steps).orNull)
        try keys.value("round_epochs", &roundEpochs, Requirement<Int>.within(epochs).orNull)
        try keys.value("round_warmup_iterations", &roundWarmupIterations, .within(0...ConfigurationLimits.iterations))
        try keys.value("round_learning_rate", &roundLearningRate, rate.orNull)
        try keys.value("unlabeled_batch_size", &unlabeledBatchSize, .within(1...ConfigurationLimits.batch))
        try keys.value("unlabeled_weight", &unlabeledWeight, .above(0))
        try keys.value("teacher", &teacher)
        try keys.value("selection", &selection)
        try keys.value("selection_score", &selectionScore)
        try keys.value("selection_floor", &selectionFloor, .within(0...1))
        try keys.value("fixed_threshold", &fixedThreshold, .within(0...1))
        try keys.value("mixup_alpha", &mixupAlpha, Requirement<Double>.upTo(1, above: 0).orNull)
    }
}

/// Section `icd`: the discriminator that compares predicted instances with labelled ones.
public struct DiscriminatorConfiguration: ConfigurationSection {
    /// Removes positives of low similarity.
    public var eap = true
    /// Promotes candidates of high similarity.
    public var mpp = true
    public var eapThreshold = 0.3
    public var mppThreshold = 0.7
    /// Candidates that overlap a better label of their recording by more are not promoted. 1: all may be.
    public var mppOverlap = 1.0
    public var hidden = 128
    /// Partners of the same class, and of other classes, per labelled instance of the mini-batch.
    public var pairs = 10
    public var learningRate = 1e-3
    public var weightDecay = 1e-4

    public init() {}

    public mutating func visit(_ keys: ConfigurationKeys) throws {
        try keys.value("eap", &eap)
        try keys.value("mpp", &mpp)
        try keys.value("eap_threshold", &eapThreshold, .within(0...1))
        try keys.value("mpp_threshold", &mppThreshold, .within(0...1))
        try keys.value("mpp_overlap", &mppOverlap, .within(0...1))
        try keys.value("hidden", &hidden, .within(1...ConfigurationLimits.channels))
        try keys.value("pairs", &pairs, .within(1...ConfigurationLimits.batch))
        try keys.value("learning_rate", &learningRate, .upTo(10, above: 0))
        try keys.value("weight_decay", &weightDecay, .within(0...1))
    }

    public var isOn: Bool { eap || mpp }
}

/// Section `acp`: contrast between frames, before the labels are used and after.
public struct ContrastConfiguration: ConfigurationSection {
    /// Within recordings: action against background.
    public var coarse = true
    /// Over the whole mini-batch: classes against each other.
    public var fine = true
    /// In burn-in and rounds.
    public var weight = 0.1
    /// Equal parts of a recording, one frame is drawn of each.
    public var frames = 64
    /// Clusters of the fine contrast in pre-training. null: twice the batch.
    public var clusters: Int?
    public var temperature = 0.1

    public init() {}

    public mutating func visit(_ keys: ConfigurationKeys) throws {
        try keys.value("coarse", &coarse)
        try keys.value("fine", &fine)
        try keys.value("weight", &weight, .atLeast(0))
        try keys.value("frames", &frames, .within(2...ConfigurationLimits.batch))
        try keys.value("clusters", &clusters, Requirement<Int>.within(2...ConfigurationLimits.batch).orNull)
        try keys.value("temperature", &temperature, .above(0))
    }

    public var isOn: Bool { coarse || fine }
}
