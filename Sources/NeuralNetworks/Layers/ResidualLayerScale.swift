import Autograd

/// `x + drop_path(scale * branch)`: a residual connection with a learnt scale per channel (initially 1e-4; arXiv 2103.17239) and drop path
/// (whole sequences, arXiv 1603.09382). Published name `scale` [1, channels, 1].
public final class ResidualLayerScale: Module {
    public let scale: Parameter
    /// Of leaving a sequence's branch out, in training.
    public let dropProbability: Float

    /// `dropProbability`, in [0, 1), is that of leaving a sequence's branch out in training.
    public init(channels: Int, dropProbability: Float) {
        self.dropProbability = dropProbability
        scale = Parameter(.channels, count: channels, isDecayed: false, initialization: .constant(1e-4))
    }

    /// `x` plus the scaled branch, which drop path may leave out.
    public func callAsFunction(_ x: PackedSequence, branch: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        var factors = [Float](repeating: 1, count: x.count)
        if pass.isTraining, dropProbability > 0 {
            let kept = 1 - dropProbability
            for b in factors.indices { factors[b] = pass.random.uniform() < kept ? 1 / kept : 0 }
        }
        return pass.tape.residual(x, branch: branch, scale: scale.tensor, factors: factors)
    }

    /// `scale`.
    public func visitParameters(_ visitor: ParameterVisitor) { visitor.visit("scale", scale) }
}
