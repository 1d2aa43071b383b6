import Configuration
import Detectors
import FeatureStore
import Sampling
import TrainingMethods

/// Learning from the labelled recordings alone; it has no keys of its own.
public struct SupervisedSettings: MethodSettings {
    public static let name = "supervised"
    public static let summary = "the labelled recordings alone"

    public static let accumulates = true
    public static let usesWindows = true

    /// There is nothing to set.
    public init() {}
    /// Visits no key.
    public mutating func visit(_ keys: ConfigurationKeys) throws {}

    /// A method that learns from `recordings.labeled`; the others are not used.
    ///
    /// - Throws: `Failure.badInput` when a virtual shard would be left without a recording.
    public func make(
        _ run: RunConfiguration, store: FeatureStore, detector: any Detector, recordings: TrainingRecordings
    ) throws -> any TrainingMethod {
        try SupervisedMethod(store: store, detector: detector, labeled: recordings.labeled, configuration: run)
    }
}
