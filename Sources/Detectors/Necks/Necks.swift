import Autograd
import Configuration
import NeuralNetworks

/// Turns the backbone's levels into the levels the heads look at.
public protocol Neck: Module {
    /// - Parameters:
    ///   - levels: finest first, each packed alike and half as long as the one before.
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    func callAsFunction(_ levels: [PackedSequence], _ pass: ForwardPass) -> [PackedSequence]
}

/// The necks there are.
public enum NeckKind: String, Codable, ConfigurationChoice, Sendable {
    case identity, fpn

    /// - Precondition: an identity neck's channels are its input's.
    func make(levels: Int, input: Int, channels: Int, hasNorm: Bool) -> any Neck {
        switch self {
        case .identity:
            precondition(channels == input)
            return IdentityNeck(levels: levels, channels: channels, hasNorm: hasNorm)
        case .fpn: return FeaturePyramidNeck(levels: levels, input: input, channels: channels, hasNorm: hasNorm)
        }
    }
}

/// A norm per level, nothing else (ActionFormer's `FPNIdentity`).
public final class IdentityNeck: Neck {
    private let norms: [ChannelNorm]

    /// Without norms it is the identity.
    public init(levels: Int, channels: Int, hasNorm: Bool) {
        norms = hasNorm ? (0..<levels).map { _ in ChannelNorm(channels) } : []
    }

    /// A norm of each level's own; [rows, channels] in and out.
    public func callAsFunction(_ levels: [PackedSequence], _ pass: ForwardPass) -> [PackedSequence] {
        norms.isEmpty ? levels : zip(norms, levels).map { norm, level in norm(level, pass) }
    }

    /// `fpn_norms.0` and so on, finest level first.
    public func visitParameters(_ visitor: ParameterVisitor) { visitor.visit("fpn_norms", norms) }
}

/// Feature pyramid network (ActionFormer's `FPN1D`): lateral linear layers, nearest up-sampling added to finer levels, depthwise convolution, norm.
public final class FeaturePyramidNeck: Neck {
    private let laterals: [Convolution1D]
    private let convolutions: [DepthwiseConvolution1D]
    private let norms: [ChannelNorm]

    /// `input` channels of the backbone, `channels` of the neck. Convolutions have biases only where no norm follows.
    public init(levels: Int, input: Int, channels: Int, hasNorm: Bool) {
        laterals = (0..<levels).map { _ in Convolution1D(input, channels, kernel: 1, bias: hasNorm ? nil : .constant(0)) }
        convolutions = (0..<levels).map { _ in DepthwiseConvolution1D(channels: channels, bias: !hasNorm) }
        norms = hasNorm ? (0..<levels).map { _ in ChannelNorm(channels) } : []
    }

    /// [rows, input] per level in, [rows, channels] out; the numbers of rows stay.
    public func callAsFunction(_ levels: [PackedSequence], _ pass: ForwardPass) -> [PackedSequence] {
        var sums = zip(laterals, levels).map { lateral, level in lateral(level, pass) }
        for i in stride(from: sums.count - 1, to: 0, by: -1) { sums[i - 1] = pass.tape.addingUpsampled(sums[i - 1], sums[i], factor: 2) }
        return sums.indices.map { i in
            let y = convolutions[i](sums[i], pass)
            return norms.isEmpty ? y : norms[i](y, pass)
        }
    }

    /// `lateral_convs`, `fpn_convs` and `fpn_norms`, each finest level first.
    public func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("lateral_convs", laterals.map { Wrapped($0, as: "conv") })
        visitor.visit("fpn_convs", convolutions.map { Wrapped($0, as: "conv") })
        visitor.visit("fpn_norms", norms)
    }
}
