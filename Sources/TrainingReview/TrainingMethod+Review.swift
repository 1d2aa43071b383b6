import Detectors
import FeatureStore
import TemporalAnnotations
import TrainingMethods

extension LearnableActions {
    /// Looks at the labelled recordings of a run that learns from their actions.
    ///
    /// - Parameters:
    ///   - labeled: positions in the store.
    ///   - configuration: of the run.
    ///   - store: the feature store of the recordings.
    ///   - detector: the one to be trained.
    /// - Returns: a warning for each reason for which some actions can never be positive.
    /// - Throws: `Failure.badInput` when none can.
    public static func review(
        labeled: [Int], configuration: RunConfiguration, store: FeatureStore, detector: any Detector
    ) throws -> [String] {
        func look(_ videos: some Sequence<Int>) -> LearnableActions {
            LearnableActions(
                videos.map { ($0, store.videos[$0].annotation.instances) }, configuration: configuration, store: store, detector: detector)
        }
        let known = look(labeled.sorted())
        var advice: String?
        if known.learnable == 0, configuration.data.labeledFraction < 1 {
            let all = try store.videos(inSubset: configuration.data.trainingSubset, key: "data.training_subset")
            if look(Set(all).subtracting(labeled).sorted()).learnable > 0 { advice = "or label more recordings (data.labeled_fraction)" }
        }
        try known.requireSome("labelled actions", advice: advice)
        return known.warnings("labelled actions")
    }
}
