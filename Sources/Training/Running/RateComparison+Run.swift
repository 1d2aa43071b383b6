import Checkpoints
import FeatureStore
import TemporalAnnotations
import TrainingMethods

extension RateComparison {
    /// A warning for a run that is evaluated on videos at another rate than those it is trained on.
    ///
    /// - Parameter evaluated: positions in the store.
    static func warnings(_ configuration: RunConfiguration, evaluated: [Int], _ store: FeatureStore) -> [String] {
        guard let training = try? store.videos(inSubset: configuration.data.trainingSubset, key: "data.training_subset"),
            let rate = FeatureRate(training.map { store.videos[$0] })
        else { return [] }
        let comparison = RateComparison(rate, store, videos: evaluated)
        return comparison.difference(model: "the run trains on").map { ["warning: evaluation: \($0)"] } ?? []
    }
}
