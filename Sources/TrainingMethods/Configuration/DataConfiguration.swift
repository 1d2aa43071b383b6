import Configuration
import Sampling

/// Section `data`: which recordings, in which portions.
public struct DataConfiguration: ConfigurationSection {
    /// The feature store's path.
    public var store = ""
    /// ActivityNet JSON whose annotations replace the store's when the run is evaluated.
    public var annotations: String?
    /// All actions are one class, in training and in evaluation.
    public var classAgnostic = false
    public var trainingSubset = "Validation"
    /// null: no evaluation at the end.
    public var evaluationSubset: String? = "Test"
    /// For the evaluations while the run trains. null: the evaluation subset.
    public var validationSubset: String?
    /// Part of the training recordings whose labels may be used.
    public var labeledFraction = 1.0
    /// JSON list of recording names: the first ones are the labelled ones. null: a seeded order.
    public var labeledOrder: String?
    /// Parts that own the data order, the random streams and the place in the summation tree.
    public var virtualShards = 2
    /// Recordings per iteration over all ranks.
    public var batchSize = 2
    /// Iterations whose recordings are dealt to the shards together, by length. 1: each shard keeps recordings of its own. null: 16, but at most half of
    /// an epoch.
    public var balanceWindow: Int?
    /// Longer recordings are cropped at random in training. null: never.
    public var maxRows: Int?
    /// Rows between the windows of `maxRows` rows that are learnt from in the place of recordings. null: recordings are.
    public var windowStride: Int?
    /// An action is kept in a crop when at least this part of it is inside.
    public var truncThresh = 0.5
    /// [low, high]: recordings not longer than `maxRows` are cropped to a random part of their length. null: not cropped.
    public var cropRatio: [Double]?
    /// Iterations read ahead.
    public var prefetch = 2

    public init() {}

    public mutating func visit(_ keys: ConfigurationKeys) throws {
        try keys.value("store", &store, unit: "path", meaning: "the feature store; must be given")
        try keys.value(
            "annotations", &annotations, unit: "path",
            meaning: "ActivityNet JSON whose annotations replace the store's in the evaluation at the end; it must know the "
                + "recordings of `data.evaluation_subset`; classes are matched by name, their order and number may differ from " + "the store's")
        try keys.value(
            "class_agnostic", &classAgnostic, meaning: "all actions are of one class, `action`, in training and in the evaluation at the end")
        try keys.value(
            "training_subset", &trainingSubset, unit: "name", meaning: "subset to learn from (case does not matter when it is unmistakable)")
        try keys.value(
            "evaluation_subset", &evaluationSubset, unit: "name", meaning: "subset to detect and evaluate at the end; `null`: no evaluation")
        try keys.value(
            "validation_subset", &validationSubset, unit: "name",
            meaning:
                "subset of the evaluations of `training.evaluate_every`; `null`: `evaluation_subset`, which the choice of the best checkpoint then "
                + "favours")
        try keys.value(
            "labeled_fraction", &labeledFraction, .upTo(1, above: 0),
            meaning: "part of the training recordings whose labels are used: the first round(fraction x count), at least 1")
        try keys.value(
            "labeled_order", &labeledOrder, unit: "path",
            meaning: "JSON list of recording names that says which come first; `null`: an order drawn from the seed")
        try keys.value(
            "virtual_shards", &virtualShards, .within(1...4096),
            meaning: "parts that own data order, random numbers and summation; the number of ranks must divide it")
        try keys.value(
            "batch_size", &batchSize, .within(1...ConfigurationLimits.batch), unit: "recordings",
            meaning: "per iteration over all ranks; a multiple of `virtual_shards`")
        try keys.value(
            "balance_window", &balanceWindow, Requirement<Int>.within(1...1024).orNull, unit: "iterations",
            meaning:
                "whose recordings are sorted by length and dealt together, so that ranks wait less for the longest; `null`: \(TrainingSampler.usualWindow), "
                + "but at most half of an epoch; 1: each shard keeps recordings of its own ([distributed.md](distributed.md#lengths))")
        try keys.value(
            "max_rows", &maxRows, Requirement<Int>.within(1...ConfigurationLimits.rows).orNull, unit: "rows",
            meaning: "longer recordings are cropped at random in training (published `max_seq_len`); `null`: never")
        try keys.value(
            "window_stride", &windowStride, Requirement<Int>.within(1...ConfigurationLimits.rows).orNull, unit: "rows",
            meaning:
                "what is learnt from are windows of `max_rows` rows at such distances, those with an action of which more than `trunc_thresh` is "
                + "inside; `batch_size` counts windows then; `null`: whole recordings or random crops")
        try keys.value("trunc_thresh", &truncThresh, .within(0...1), meaning: "an action stays in a crop when at least this part of it is inside")
        try keys.value(
            "crop_ratio", &cropRatio,
            Requirement("as [low, high] with 0 < low <= high <= 1") { ratio in
                guard let ratio else { return true }
                return ratio.count == 2 && ratio[0] > 0 && ratio[0] <= ratio[1] && ratio[1] <= 1
            }, meaning: "recordings up to `max_rows` are cropped to a random part of their length between these; `null`: not")
        try keys.value("prefetch", &prefetch, .within(1...64), unit: "iterations", meaning: "read ahead of the training")
    }
}
