import Configuration
import TrainingMethods

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
    /// Clusters of the fine contrast in pre-training. null: twice the batch, at most `mostClusters`.
    public var clusters: Int?
    /// Frames of the global mini-batch that every frame is contrasted with. null: all.
    public var globalFrames: Int? = 512
    public var temperature = 0.1

    public init() {}

    public mutating func visit(_ keys: ConfigurationKeys) throws {
        try keys.value("coarse", &coarse, meaning: "contrast within recordings: action against background")
        try keys.value("fine", &fine, meaning: "contrast of classes over the global mini-batch")
        try keys.value("weight", &weight, .atLeast(0), meaning: "in burn-in and rounds; 0: in pre-training alone")
        try keys.value(
            "frames", &frames, .within(2...ConfigurationLimits.batch), unit: "frames", meaning: "drawn per recording, one of each equal part")
        try keys.value(
            "clusters", &clusters, Requirement<Int>.within(2...ConfigurationLimits.batch).orNull, unit: "clusters",
            meaning: "of the fine contrast in pre-training; `null`: twice `data.batch_size`, at most \(Self.mostClusters)")
        try keys.value(
            "global_frames", &globalFrames, Requirement<Int>.within(2...ConfigurationLimits.batch).orNull, unit: "frames",
            meaning: "of the global mini-batch that every frame is contrasted with, drawn anew in every step; `null`: all, whose cost per rank grows "
                + "with the batch")
        try keys.value("temperature", &temperature, .above(0), meaning: "of the contrast")
    }

    public var isOn: Bool { coarse || fine }

    /// Clusters of a large mini-batch where `clusters` is null (docs/methods.md says why so many).
    package static let mostClusters = 16

    /// Clusters of the fine contrast in pre-training.
    ///
    /// - Parameter batch: recordings of the global mini-batch.
    package func clusters(batch: Int) -> Int { clusters ?? min(2 * batch, Self.mostClusters) }
}
