import Autograd
import NeuralNetworks

/// What the detectors' backbones begin with: convolutions over the features, each with norm and ReLU; then absolute positions, when used.
///
/// Input [rows, input], output [rows, channels]. Published names `embd` and `embd_norm`.
final class FeatureEmbedding {
    private let convolutions: [Convolution1D]
    private let norms: [ChannelNorm]
    private let channels: Int
    /// Rows of the table of absolute positions; nil for none.
    private let positionTableLength: Int?

    init(_ configuration: PyramidConfiguration) {
        let c = configuration, channels = configuration.embeddingDimension
        self.channels = channels
        positionTableLength = c.absolutePositions ? c.maximumLength : nil
        convolutions = (0..<c.embeddingConvolutions).map { i in
            Convolution1D(
                i == 0 ? c.inputDimension : channels, channels, kernel: c.embeddingKernel, bias: c.embeddingNorm ? nil : .constant(0))
        }
        norms = c.embeddingNorm ? convolutions.map { _ in ChannelNorm(channels) } : []
    }

    func callAsFunction(_ features: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        var x = features
        for (i, convolution) in convolutions.enumerated() { x = convolution(x, norm: norms.isEmpty ? nil : norms[i], pass) }
        guard let positionTableLength else { return x }
        return x.with(pass.tape.addingConstant(x.tensor, positions(x.offsets, positionTableLength)))
    }

    private func positions(_ offsets: [Int], _ tableLength: Int) -> Tensor {
        let all = Tensor(rows: offsets[offsets.count - 1], columns: channels, requiresGradient: false)
        for b in 0..<offsets.count - 1 where !Rehearsal.isRunning {
            SinusoidalPositions.encode(
                length: offsets[b + 1] - offsets[b], channels: channels, tableLength: tableLength, into: all.values + offsets[b] * channels)
        }
        return all
    }

    func visitParameters(_ visitor: ParameterVisitor) {
        for (i, convolution) in convolutions.enumerated() {
            visitor.visit("embd.\(i)", Wrapped(convolution, as: "conv"))
            if !norms.isEmpty { visitor.visit("embd_norm.\(i)", norms[i]) }
        }
    }
}

extension Convolution1D {
    /// Convolution, norm when there is one, ReLU.
    func callAsFunction(_ x: PackedSequence, norm: ChannelNorm?, _ pass: ForwardPass) -> PackedSequence {
        let y = self(x, pass)
        return norm?(y, relu: true, pass) ?? y.with(pass.tape.relu(y.tensor))
    }
}
