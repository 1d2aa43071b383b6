import AdaptivePseudoLabels
import Detectors
import FeatureStore
import Training
import WeakSupervision

/// The method that a configuration names.
func makeMethod(
    _ configuration: RunConfiguration, _ store: FeatureStore, _ detector: any Detector, _ recordings: TrainingRecordings
) throws -> any TrainingMethod {
    switch configuration.method.name {
    case .supervised: try TrainingRun.makeSupervised(configuration, store, detector, recordings)
    case .apl: try AdaptivePseudoLabelMethod(configuration: configuration, store: store, detector: detector, recordings: recordings)
    case .fustal: try WeakSupervisionMethod(configuration: configuration, store: store, detector: detector, recordings: recordings)
    }
}
