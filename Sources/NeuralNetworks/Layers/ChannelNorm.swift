import Autograd

/// Layer norm over the channels of each row, eps 1e-5: `y = (x - mean) / sqrt(variance + eps) * weight + bias`.
///
/// Published names `weight` and `bias`, both [1, channels, 1].
public final class ChannelNorm: Module {
    public let weight: Parameter
    public let bias: Parameter

    /// Weight 1 and bias 0 per channel; neither is decayed.
    public init(_ channels: Int) {
        weight = Parameter(.channels, count: channels, isDecayed: false, initialization: .constant(1))
        bias = Parameter(.channels, count: channels, isDecayed: false, initialization: .constant(0))
    }

    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - relu: whether ReLU follows, in the same pass over memory.
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    public func callAsFunction(_ x: PackedSequence, relu: Bool = false, _ pass: ForwardPass) -> PackedSequence {
        x.with(pass.tape.layerNorm(x.tensor, weight: weight.tensor, bias: bias.tensor, relu: relu))
    }

    /// `weight` and `bias`.
    public func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("weight", weight)
        visitor.visit("bias", bias)
    }
}
