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

    /// The student's stages; the generator, which is small, is left out.
    public func outline(_ run: RunConfiguration, _ counts: RecordingCounts) -> [StageOutline] {
        guard weakSupervision.student else { return [] }
        let batch = run.data.batchSize, epoch = counts.epoch(.labeled, perStep: batch), all = run.iterations(perEpoch: epoch)
        let first = weakSupervision.distillAfterIterations ?? weakSupervision.distillAfterEpochs.map { $0 * epoch } ?? all
        let shares = [StageOutline.Share(.labeled, perStep: batch)]
        let student = StageOutline("student", iterations: min(first, all), shares: shares)
        return first < all ? [student, StageOutline("distillation", iterations: all - first, shares: shares, labels: .labeled)] : [student]
    }

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
