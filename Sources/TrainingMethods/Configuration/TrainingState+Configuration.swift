import Checkpoints
import Detectors
import NeuralNetworks

extension TrainingState {
    /// The state in which the training of a detector begins.
    ///
    /// - Parameter arena: the detector's.
    package convenience init(_ training: TrainingConfiguration, arena: ParameterArena, detector: any Detector) {
        self.init(
            arena: arena, weightDecay: training.weightDecay, decay: training.optimizer == .adam ? .gradient : .decoupled,
            momentum: training.optimizer == .sgd ? training.momentum : nil, emaDecay: training.emaDecay,
            initialLossNormalizer: training.initialLossNorm,
            normalizers: detector.normalizers)
    }
}
