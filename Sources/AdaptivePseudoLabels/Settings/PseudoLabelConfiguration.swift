import Configuration
import Detectors
import TrainingMethods

/// Section `apl`: stages, selection and weights of learning from pseudo-labels.
public struct PseudoLabelConfiguration: ConfigurationSection {
    /// From which score on a prediction is positive.
    public enum Selection: String, ConfigurationChoice, Sendable {
        case adaptive, fixed
        case adaptivePerClass = "adaptive_per_class"
        case matched, mixture, precision
    }
    /// The probability that scores and focal loss use.
    public enum Score: String, ConfigurationChoice, Sendable {
        case joint
        case classScore = "class"
    }
    /// What candidates are learnt as that are predicted, but are no labels.
    public enum Uncertain: String, ConfigurationChoice, Sendable { case background, ignore, soft }

    /// The detector that a round begins with.
    public enum Student: String, ConfigurationChoice, Sendable { case continued, restarted }

    /// Branches that assess predicted segments.
    public var alqa = QualityBranches.tiouTND
    /// The probability in the focal loss.
    public var alqaScore = QualitySettings.FocalScore.joint
    public var localizationWeight = 0.1
    /// Power of P_diou in the scores of detections.
    public var scorePower = 1.0
    /// Length of the pre-training without labels; at most one of the two. Neither: none.
    public var pretrainingIterations: Int?
    public var pretrainingEpochs: Int?
    /// null: that of `training`.
    public var pretrainingLearningRate: Double?
    /// Rounds of labelling and joint training.
    public var rounds = 2
    /// Length of a round; at most one of the two. Neither: that of the burn-in, for restarted students alone.
    public var roundIterations: Int?
    public var roundEpochs: Int?
    /// Linear warm-up of the first round; of each, where students are restarted. null: that of the burn-in for restarted students, none for others.
    public var roundWarmupIterations: Int?
    /// null: that of `training`.
    public var roundLearningRate: Double?
    /// What each round begins with.
    public var student = Student.continued
    /// Share of the burn-in's weights in those that the run ends with.
    public var burnInShare = 0.0
    /// Unlabelled recordings per iteration over all ranks.
    public var unlabeledBatchSize = 2
    public var unlabeledWeight = 2.0
    /// The weights that predict.
    public var teacher = TrainingConfiguration.Weights.current
    /// Views of an unlabelled recording that the teacher predicts on.
    public var teacherViews = 1
    /// Part of the channels that a view other than the first lacks.
    public var viewDropout = 0.1
    /// Part of the labelled recordings that is not trained on.
    public var heldOutFraction = 0.0
    /// Whether a round's weights are kept only if they are no worse on the held-out recordings.
    public var guardsRounds = false
    public var selection = Selection.adaptive
    public var selectionScore = Score.joint
    /// Predictions below this are dropped before the threshold is computed.
    public var selectionFloor = 0.15
    /// For `fixed`.
    public var fixedThreshold = 0.3
    /// For `precision`.
    public var precisionTarget = 0.8
    /// What the other predictions above `selectionFloor` are.
    public var uncertain = Uncertain.soft
    /// MixUp's Beta(alpha, alpha). null: that of `training.mixup_alpha`.
    public var mixupAlpha: Double?

    public init() {}

    public mutating func visit(_ keys: ConfigurationKeys) throws {
        let rate = Requirement<Double>.upTo(10, above: 0)
        try keys.value("alqa", &alqa, meaning: "branches that assess predicted segments: none, one, or ALQA's two")
        try keys.value("alqa_score", &alqaScore, meaning: "probability in the focal loss with `alqa`: P_cls x P_diou, or P_cls")
        try keys.value("localization_weight", &localizationWeight, .atLeast(0), meaning: "of the branches' loss")
        try keys.value("score_power", &scorePower, .within(0...10), meaning: "detections are scored by P_cls x P_diou to this power; 0: by P_cls")
        try keys.value(
            "pretraining_iterations", &pretrainingIterations, Requirement<Int>.within(0...ConfigurationLimits.iterations).orNull, unit: "iterations",
            meaning: "length of the pre-training; at most one of the two, neither: none")
        try keys.value(
            "pretraining_epochs", &pretrainingEpochs, Requirement<Int>.within(0...ConfigurationLimits.epochs).orNull,
            unit: "epochs over all training recordings", meaning: "length of the pre-training")
        try keys.value("pretraining_learning_rate", &pretrainingLearningRate, rate.orNull, meaning: "`null`: that of `training`; warm-up as there")
        try visitRounds(keys)
        try visitSelection(keys)
        try keys.value(
            "mixup_alpha", &mixupAlpha, Requirement<Double>.upTo(1, above: 0).orNull,
            meaning: "MixUp in burn-in and rounds in place of `training.mixup_alpha`; `null`: the latter")
    }

    private mutating func visitRounds(_ keys: ConfigurationKeys) throws {
        let steps = 1...ConfigurationLimits.iterations, epochs = 1...ConfigurationLimits.epochs
        try keys.value("rounds", &rounds, .within(0...1000), meaning: "rounds of labelling and joint training")
        try keys.value(
            "round_iterations", &roundIterations, Requirement<Int>.within(steps).orNull, unit: "iterations",
            meaning: "length of each round; at most one of the two, neither: that of the burn-in, if students are restarted")
        try keys.value(
            "round_epochs", &roundEpochs, Requirement<Int>.within(epochs).orNull, unit: "epochs over the unlabelled recordings",
            meaning: "length of each round")
        try keys.value(
            "round_warmup_iterations", &roundWarmupIterations, Requirement<Int>.within(0...ConfigurationLimits.iterations).orNull, unit: "iterations",
            meaning: "linear warm-up of the first round, of each where students are restarted; `null`: that of the burn-in for restarted students, "
                + "otherwise none")
        try keys.value(
            "round_learning_rate", &roundLearningRate, Requirement<Double>.upTo(10, above: 0).orNull, meaning: "`null`: that of `training`")
        try keys.value(
            "student", &student,
            meaning: "the detector that a round begins with: the one before, or a new one over the pre-trained pyramid "
                + "([methods.md](methods.md#students))")
        try keys.value(
            "burn_in_share", &burnInShare, .below(1, atLeast: 0),
            meaning: "of the burn-in's weights in those that the run ends with; the rest are the last round's "
                + "([methods.md](methods.md#share-of-the-burn-in))")
        try keys.value(
            "unlabeled_batch_size", &unlabeledBatchSize, .within(1...ConfigurationLimits.batch), unit: "recordings",
            meaning: "unlabelled ones per iteration over all ranks, beside `data.batch_size`; a multiple of `virtual_shards`")
        try keys.value("unlabeled_weight", &unlabeledWeight, .above(0), meaning: "of the unlabelled recordings' loss")
        try keys.value("teacher", &teacher, meaning: "weights that predict")
        try keys.value(
            "teacher_views", &teacherViews, .within(1...32), unit: "views",
            meaning: "of an unlabelled recording that the teacher predicts on; scores and ends are means over the views where these agree "
                + "([methods.md](methods.md#views))")
        try keys.value("view_dropout", &viewDropout, .within(0...0.9), unit: "part", meaning: "of the channels that each view but the first lacks")
        try keys.value(
            "held_out_fraction", &heldOutFraction, .within(0...0.9), unit: "part of the labelled recordings",
            meaning: "not trained on, for `guard` and for the selection `precision`; at least one recording, if above 0")
        try keys.value(
            "guard", &guardsRounds,
            meaning: "a round whose detector has a lower average mAP on the held-out recordings than the best before is undone")
    }

    private mutating func visitSelection(_ keys: ConfigurationKeys) throws {
        try keys.value(
            "selection", &selection,
            meaning: "threshold: mean + standard deviation of the scores, a constant, mean + standard deviation per class, per class the score "
                + "above which there are as many predictions as the labelled recordings' rate of actions lets expect, where the upper of two normal "
                + "distributions of scores becomes the likelier one, or where the held-out recordings show a precision of `precision_target` "
                + "([methods.md](methods.md#selection))")
        try keys.value("selection_score", &selectionScore, meaning: "score that is selected by, after Soft-NMS: P_cls x P_diou, or P_cls")
        try keys.value("selection_floor", &selectionFloor, .within(0...1), meaning: "predictions below are dropped first")
        try keys.value("fixed_threshold", &fixedThreshold, .within(0...1), meaning: "for `fixed`")
        try keys.value("precision_target", &precisionTarget, .within(0...1), unit: "part", meaning: "of right predictions, for `precision`")
        try keys.value(
            "uncertain", &uncertain,
            meaning: "what predictions above `selection_floor` that become no pseudo-label are learnt as: background; nothing (points in them have "
                + "no loss); labels whose losses are multiplied by their scores ([methods.md](methods.md#uncertain-candidates))")
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
    /// What an instance's feature is made of.
    public var pooling = InstancePooling.max
    /// What rows it is pooled from.
    public var features = InstanceSource.input
    /// Steps of the discriminator at the beginning of each round, with features of the pyramid.
    public var iterations = 500
    /// What comparisons of labelled instances must be worth, with recordings left out in turn, so that labels are removed and promoted by them.
    public var requiredPrecision: Double?
    /// Whether the feature ends with the instance's length.
    public var length = false
    public var hidden = 128
    /// Partners of the same class, and of other classes, per labelled instance of the mini-batch.
    public var pairs = 10
    public var learningRate = 1e-3
    public var weightDecay = 1e-4

    public init() {}

    public mutating func visit(_ keys: ConfigurationKeys) throws {
        try keys.value("eap", &eap, meaning: "positives unlike the labelled instances of their class are removed")
        try keys.value("mpp", &mpp, meaning: "candidates like them are promoted")
        try keys.value("eap_threshold", &eapThreshold, .within(0...1), unit: "similarity", meaning: "below it EAP removes")
        try keys.value("mpp_threshold", &mppThreshold, .within(0...1), unit: "similarity", meaning: "from it on MPP promotes")
        try keys.value(
            "mpp_overlap", &mppOverlap, .within(0...1), unit: "tIoU",
            meaning: "candidates whose tIoU with a better label of their recording, of whatever class, is above are not promoted; 1: " + "all may be")
        try keys.value(
            "pooling", &pooling,
            meaning: "an instance's feature: the maximum of its rows, or the means of four parts of the instance and what surrounds it "
                + "([methods.md](methods.md#icd-instance-level-consistency-discriminator))")
        try keys.value(
            "features", &features,
            meaning:
                "rows that it is pooled from: the recording's features, or the finest level that the teacher has learnt; the discriminator is then "
                + "trained at the beginning of every round, not during burn-in")
        try keys.value(
            "iterations", &iterations, .within(1...ConfigurationLimits.iterations), unit: "iterations",
            meaning: "of the discriminator in every round, with `features: pyramid` or `required_precision`")
        try keys.value(
            "required_precision", &requiredPrecision, Requirement<Double>.within(0...1).orNull, unit: "part",
            meaning:
                "labelled recordings are left out in turn before each round: only if so many of their instances that are like a class are of it are "
                + "candidates promoted, and only if so many are like their own class are positives removed; `null`: without asking")
        try keys.value("length", &length, meaning: "an instance's feature ends with the logarithm of its length in rows")
        try keys.value("hidden", &hidden, .within(1...ConfigurationLimits.channels), unit: "channels", meaning: "hidden width of the discriminator")
        try keys.value(
            "pairs", &pairs, .within(1...ConfigurationLimits.batch), unit: "pairs",
            meaning: "per labelled instance of the mini-batch with its own class, and as many with others")
        try keys.value("learning_rate", &learningRate, .upTo(10, above: 0), meaning: "constant")
        try keys.value("weight_decay", &weightDecay, .within(0...1), meaning: "AdamW")
    }

    public var isOn: Bool { eap || mpp }
    /// Values of an instance's feature whose rows have so many columns.
    func columns(ofRows columns: Int) -> Int { columns * pooling.parts + (length ? 1 : 0) }
}
