import Configuration

/// Section `data`: which recordings, in which portions.
public struct DataConfiguration: ConfigurationSection {
    /// The feature store's path.
    public var store = ""
    /// ActivityNet JSON whose annotations replace the store's when the run is evaluated.
    public var annotations: String?
    public var trainingSubset = "Validation"
    /// null: no evaluation at the end.
    public var evaluationSubset: String? = "Test"
    /// Part of the training recordings whose labels may be used.
    public var labeledFraction = 1.0
    /// JSON list of recording names: the first ones are the labelled ones. null: a seeded order.
    public var labeledOrder: String?
    /// Parts that own the data order, the random streams and the place in the summation tree.
    public var virtualShards = 2
    /// Recordings per iteration over all ranks.
    public var batchSize = 2
    /// Longer recordings are cropped at random in training. null: never.
    public var maxRows: Int?
    /// An action is kept in a crop when at least this part of it is inside.
    public var truncThresh = 0.5
    /// [low, high]: recordings not longer than `maxRows` are cropped to a random part of their length. null: not cropped.
    public var cropRatio: [Double]?
    /// Iterations read ahead.
    public var prefetch = 2

    public init() {}

    public mutating func visit(_ keys: ConfigurationKeys) throws {
        try keys.value("store", &store)
        try keys.value("annotations", &annotations)
        try keys.value("training_subset", &trainingSubset)
        try keys.value("evaluation_subset", &evaluationSubset)
        try keys.value("labeled_fraction", &labeledFraction, .upTo(1, above: 0))
        try keys.value("labeled_order", &labeledOrder)
        try keys.value("virtual_shards", &virtualShards, .within(1...4096))
        try keys.value("batch_size", &batchSize, .within(1...ConfigurationLimits.batch))
        try keys.value("max_rows", &maxRows, Requirement<Int>.within(1...ConfigurationLimits.rows).orNull)
        try keys.value("trunc_thresh", &truncThresh, .within(0...1))
        try keys.value(
            "crop_ratio", &cropRatio,
            Requirement("as [low, high] with 0 < low <= high <= 1") { ratio in
                guard let ratio else { return true }
                return ratio.count == 2 && ratio[0] > 0 && ratio[0] <= ratio[1] && ratio[1] <= 1
            })
        try keys.value("prefetch", &prefetch, .within(1...64))
    }
}
