import AdaptivePseudoLabels
import GraphDetectors
import ProposalDetectors
import PyramidDetectors
import Training
import TrainingMethods
import WeakSupervision

extension Registry {
    /// The detectors and methods of Kairos: one line each. The first ones are the defaults.
    public static let standard = Registry(
        detectors: [
            ActionFormerConfiguration.self,
            TriDetConfiguration.self,
            TemporalMaxerConfiguration.self,
            BMNSettings.self,
            PGCNSettings.self,
        ],
        methods: [
            SupervisedSettings.self,
            AdaptivePseudoLabelSettings.self,
            WeakSupervisionSettings.self,
        ])
}
