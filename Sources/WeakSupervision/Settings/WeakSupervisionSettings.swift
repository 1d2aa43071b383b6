import Configuration
import Detectors
import FeatureStore
import RunRecords
import Sampling
import TrainingMethods

/// The section `fustal`.
public struct WeakSupervisionSettings: MethodSettings {
    public static let name = "fustal"
    public static let summary = "the classes of the labelled recordings, without their segments; section `fustal`"
    public static let needsSegments = false
    public static let learnsFromDetections = true

    public var weakSupervision = WeakSupervisionConfiguration()

    /// Every key at its default.
    public init() {}

    /// The section `fustal`.
    ///
    /// - Throws: `Failure.badInput` for a value of another type or out of bounds.
    public mutating func visit(_ keys: ConfigurationKeys) throws { try keys.section("fustal", &weakSupervision) }

    /// Without a student the generator alone is trained, on batches of its own.
    public var trainsDetector: Bool { weakSupervision.student }
    public var mainStage: String { "student" }

    /// Checks what one key's bounds cannot.
    ///
    /// - Throws: `Failure` for a generator batch that the virtual shards do not divide, two times of distillation, and no thresholds.
    public func check(_ run: RunConfiguration, _ keys: ConfigurationKeys) throws {
        let fustal = weakSupervision
        try run.requireWholeBatches(fustal.generatorBatchSize, named: "generator_batch_size", at: "fustal.generator_batch_size", keys)
        if fustal.student, fustal.distillAfterIterations != nil, fustal.distillAfterEpochs != nil {
            throw keys.refusal(
                "both distill_after_iterations and distill_after_epochs are given", at: "fustal.distill_after_epochs",
                advice: "keep one of fustal.distill_after_iterations and fustal.distill_after_epochs")
        }
        guard !fustal.casThresholds.isEmpty || !fustal.actionnessThresholds.isEmpty else {
            throw keys.refusal(
                "there are no thresholds to make proposals with", at: "fustal.cas_thresholds", advice: "give thresholds, or leave the keys out")
        }
    }

    /// Quality of the pseudo-labels, from the run folder's records.
    ///
    /// - Throws: `Failure.badInput` for records that cannot be read.
    public static func measures(inFolder folder: String) throws -> [RunMeasure] { try RunMeasure.ofPseudoLabels(inFolder: folder) }

    /// A method that learns from the classes of the labelled recordings.
    ///
    /// - Throws: `Failure` when it cannot train the detector, or not on these recordings.
    public func make(
        _ run: RunConfiguration, store: FeatureStore, detector: any Detector, recordings: TrainingRecordings
    ) throws -> any TrainingMethod {
        try WeakSupervisionMethod(configuration: run, store: store, detector: detector, recordings: recordings)
    }
}

extension RunConfiguration {
    /// Section `fustal`.
    public var weakSupervision: WeakSupervisionConfiguration { self[WeakSupervisionSettings.self].weakSupervision }
}
