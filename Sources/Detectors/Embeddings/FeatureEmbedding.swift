import Autograd
import NeuralNetworks

/// What the detectors' backbones begin with: convolutions over the features, each with norm and ReLU; then absolute positions, when used.
///
/// Input [rows, input], output [rows, channels]. Published names `embd` and `embd_norm`.
final class FeatureEmbedding {
    private let convolutions: ConvolutionStack
    private let channels: Int
    /// Rows of the table of absolute positions; nil for none.
    private let positionTableLength: Int?

    init(_ configuration: PyramidConfiguration) {
        let c = configuration
        channels = c.embeddingDimension
        positionTableLength = c.absolutePositions ? c.maximumLength : nil
        convolutions = ConvolutionStack(
            input: c.inputDimension, channels: channels, count: c.embeddingConvolutions, kernel: c.embeddingKernel, hasNorm: c.embeddingNorm,
            names: ("embd", "embd_norm"))
    }

    func callAsFunction(_ features: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        let x = convolutions(features, pass)
        guard let positionTableLength else { return x }
        return x.with(
            pass.tape.addingConstant(
                x.tensor, SinusoidalPositions.packed(offsets: x.offsets, channels: channels, tableLength: positionTableLength)))
    }

    func visitParameters(_ visitor: ParameterVisitor) { convolutions.visitParameters(visitor) }
}
