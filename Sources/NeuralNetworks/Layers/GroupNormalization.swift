import Autograd

/// Group norm within each sequence, eps 1e-5: mean and variance over all rows of a sequence and the channels of a group.
///
/// Published names `weight` and `bias`, both [channels].
public final class GroupNormalization: Module {
    public let groups: Int
    public let weight: Parameter
    public let bias: Parameter

    /// - Precondition: `groups` divides `channels`.
    public init(_ channels: Int, groups: Int) {
        precondition(channels % groups == 0)
        self.groups = groups
        weight = Parameter(.vector, count: channels, isDecayed: false, initialization: .constant(1))
        bias = Parameter(.vector, count: channels, isDecayed: false, initialization: .constant(0))
    }

    public func callAsFunction(_ x: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        pass.tape.groupNorm(x, groups: groups, weight: weight.tensor, bias: bias.tensor)
    }

    public func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("weight", weight)
        visitor.visit("bias", bias)
    }
}
