import Configuration

/// Keys of the section `training` for training on from weights that are there.
public struct TuningConfiguration: ConfigurationSection {
    /// A checkpoint or a safetensors file that the weights begin with; parameters that do not fit begin as drawn. null: all do.
    public var initialWeights: String?
    /// Patterns of parameters' names that are not trained.
    public var frozen: [String] = []
    /// Factors of the learning rate by patterns of parameters' names; of several that fit the last one counts.
    public var learningRateFactors = NamedNumbers()

    /// How much each class counts in the classification loss. null: all alike.
    public var classWeights: ClassWeighting?
    /// Parts in which a shard's recordings pass one after another in a step.
    public var accumulate = 1

    public init() {}

    /// Patterns that may be given.
    private static let most = 64

    public mutating func visit(_ keys: ConfigurationKeys) throws {
        try keys.value(
            "initial_weights", &initialWeights, unit: "path",
            meaning:
                "checkpoint or safetensors file that the detector begins with, also of other classes: parameters whose names and shapes fit are taken "
                + "([fine-tuning.md](fine-tuning.md)); `null`: all are drawn from the seed")
        try keys.value(
            "frozen", &frozen, Requirement("at most \(Self.most), none empty") { $0.count <= Self.most && !$0.contains("") }, unit: "patterns",
            meaning: "of names of the detector's parameters that stay as they are, such as `[\"backbone.*\"]`; `*`, `?` and `[ab]` as in a shell")
        try keys.value(
            "learning_rate_factors", &learningRateFactors,
            Requirement("at most \(Self.most), each above 0 and at most 1000") { factors in
                factors.entries.count <= Self.most && !factors.names.contains("") && factors.values.allSatisfy { $0 > 0 && $0 <= 1000 }
            }, unit: "by pattern",
            meaning:
                "factors of the learning rate, such as `{\"backbone.*\": 0.1}`; of several patterns that fit a parameter the last one counts; 1 where none "
                + "does")
        try keys.value(
            "class_weights", &classWeights, Requirement("each from 0 to 1000") { $0?.isWithin(0...1000) ?? true }, unit: "by class",
            meaning: "factors of the classes in the classification loss: `balanced` by how rare they are among the labelled recordings, or "
                + "`{NAME: weight}`, 1 where none is given; `null`: all count alike ([fine-tuning.md](fine-tuning.md#class-weights))")
        try keys.value(
            "accumulate", &accumulate, .within(1...ConfigurationLimits.batch), unit: "parts",
            meaning: "the recordings of a virtual shard pass in so many parts one after another in a step, which sums their gradients: less memory "
                + "([fine-tuning.md](fine-tuning.md#gradient-accumulation))")
    }
}
