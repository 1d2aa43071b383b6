import Checkpoints
import Configuration
import DataParallel
import Detectors
import Kernels
import PostProcessing
import RunRecords

// Names that other targets give, as values of keys.

extension StoredWeights: ConfigurationChoice {}
extension SuppressionMethod: ConfigurationChoice {}
extension ClassScoreFusion.Rule: ConfigurationChoice {}
extension ProductPrecision: ConfigurationChoice {}
extension ConvolutionForm: ConfigurationChoice {}
extension CenterSamplingAssigner.Sampling: ConfigurationChoice {}
extension GradientReduction.Options.Order: ConfigurationChoice {}
extension GradientReduction.Options.Precision: ConfigurationChoice {}
