import Autograd
import NeuralNetworks

/// FuSTAL's first model: says for every sampled segment of a video how much it looks like each class, learnt from the videos' classes alone.
///
/// Convolution k=3, ReLU (the embeddings), dropout, a linear layer without bias, ReLU (the class activation sequence). Parameter names are the
/// published ones.
public final class ProposalGenerator: Module {
    public let classes: Int
    private let dropoutProbability: Float
    private let embedding: Convolution1D
    private let classifier: Convolution1D

    /// What the network says of a batch, videos one after another.
    public struct Outputs {
        /// [segments, embedding channels].
        public var embeddings: PackedSequence
        /// CAS, [segments, classes], at least 0.
        public var activations: PackedSequence

        /// Sum over the classes, per segment.
        public var actionness: [Float] {
            let x = activations.tensor
            return (0..<x.rows).map { row in (0..<x.columns).reduce(0) { $0 + x.values[row * x.columns + $1] } }
        }
    }

    /// - Parameters:
    ///   - inputDimension: columns of the features.
    ///   - embeddingDimension: channels of the embeddings.
    ///   - classes: number of classes.
    ///   - dropout: of the embeddings before the classifier, in training.
    public init(inputDimension: Int, embeddingDimension: Int = 2048, classes: Int, dropout: Float = 0.7) {
        self.classes = classes
        dropoutProbability = dropout
        embedding = Convolution1D(
            inputDimension, embeddingDimension, kernel: 3, bias: .uniform(bound: 1 / Float(3 * inputDimension).squareRoot()))
        classifier = Convolution1D(embeddingDimension, classes, kernel: 1, bias: nil)
    }

    /// `aness_module.f_embed.0` and `aness_module.f_cls.0`, the published names.
    public func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("aness_module.f_embed.0", embedding)
        visitor.visit("aness_module.f_cls.0", classifier)
    }

    /// - Parameters:
    ///   - segments: [segments of all videos, input dimension].
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    public func callAsFunction(_ segments: PackedSequence, _ pass: ForwardPass) -> Outputs {
        let embeddings = segments.with(pass.tape.relu(embedding(segments, pass).tensor))
        let kept = embeddings.with(dropout(embeddings.tensor, probability: dropoutProbability, pass))
        return Outputs(embeddings: embeddings, activations: segments.with(pass.tape.relu(classifier(kept, pass).tensor)))
    }
}
