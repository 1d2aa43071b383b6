import Autograd

/// Group norm within each sequence, eps 1e-5: mean and variance over all rows of a sequence and the channels of a group.
///
/// Published names `weight` and `bias`, both [channels], where it has them.
public final class GroupNormalization: Module {
    public let groups: Int
    /// Weight and bias; nil: nothing is learnt.
    private let affine: (weight: Parameter, bias: Parameter)?

    /// - Parameters:
    ///   - channels: values of a row.
    ///   - groups: divides the channels.
    ///   - isAffine: whether it has weight and bias.
    /// - Precondition: `groups` divides `channels`.
    public init(_ channels: Int, groups: Int, isAffine: Bool = true) {
        precondition(channels % groups == 0)
        self.groups = groups
        func parameter(_ value: Float) -> Parameter {
            Parameter(.vector, count: channels, isDecayed: false, initialization: .constant(value))
        }
        affine = isAffine ? (parameter(1), parameter(0)) : nil
    }

    /// Normalizes each sequence: [rows, channels] in and out.
    public func callAsFunction(_ x: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        guard let affine else { return pass.tape.groupNorm(x, groups: groups) }
        return pass.tape.groupNorm(x, groups: groups, weight: affine.weight.tensor, bias: affine.bias.tensor)
    }

    /// `weight` and `bias`; none without an affine part.
    public func visitParameters(_ visitor: ParameterVisitor) {
        guard let affine else { return }
        visitor.visit("weight", affine.weight)
        visitor.visit("bias", affine.bias)
    }
}
