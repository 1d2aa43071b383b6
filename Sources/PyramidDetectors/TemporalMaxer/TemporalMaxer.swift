import Autograd
import Detectors
import NeuralNetworks

/// TemporalMaxer (arXiv 2303.09055): convolutions, then nothing but max-pooling from level to level of the pyramid; heads as ActionFormer's, and
/// targets by SimOTA, from what the network says. Packed: no padding, no masks. Parameter names are those of the published code.
public final class TemporalMaxer: PyramidDetector, OutputAssigned {
    public typealias Outputs = RegressedOutputs

    public let configuration: TemporalMaxerConfiguration
    private let network: RegressedNetwork

    /// - Precondition: the configuration has been checked (no stem, ranges per level, norm groups, equal widths of an identity neck).
    public init(_ configuration: TemporalMaxerConfiguration) {
        let shared = configuration.pyramid
        precondition(shared.stemBlocks == 0 && shared.regressionRanges.count == shared.levels)
        self.configuration = configuration
        let backbone = PyramidBackbone(shared) {
            MaxPoolBlock()
        } branchBlock: { _ in
            MaxPoolBlock()
        }
        network = RegressedNetwork(
            shared, backbone: backbone,
            neck: configuration.hasOwnNeck ? TemporalMaxerNeck(configuration.norm, channels: shared.neckDimension) : nil)
    }

    /// Under the names of the published code; the backbone's max-pooling has no parameters.
    public func visitParameters(_ visitor: ParameterVisitor) { network.visitParameters(visitor) }
    /// Embedding, max-pooling and neck: the levels, finest first.
    public func pyramid(_ features: PackedSequence, _ pass: ForwardPass) -> [PackedSequence] { network.pyramid(features, pass) }
    /// Class logits and distances at all points of the levels.
    public func heads(_ levels: [PackedSequence], _ pass: ForwardPass) -> Outputs { network.heads(levels, pass) }

    /// What assigns the targets.
    public var assigner: SimOTAAssigner { configuration.simOTA }

    /// By SimOTA, from the costs of the network's own predictions.
    public func assignTargets(_ batch: PackedBatch, outputs: Outputs) -> PointTargets {
        assigner.assign(
            points(batch.features), instances: batch.instances,
            predictions: .init(logits: outputs.logits.values, offsets: outputs.offsets.values), weights: batch.weights)
    }
}

/// The whole of a TemporalMaxer block: max-pooling over three rows, stride 2, within each sequence.
final class MaxPoolBlock: BackboneBlock {
    func callAsFunction(_ x: PackedSequence, _ pass: ForwardPass) -> PackedSequence { pass.tape.maxPool(x, kernel: 3, stride: 2) }
    func visitParameters(_ visitor: ParameterVisitor) {}
}

/// One norm for all levels: what the published `FPNIdentity` of TemporalMaxer comes to.
final class TemporalMaxerNeck: Neck {
    /// Of the group norm; fixed in the published code.
    static let groups = 4
    private let group: GroupNormalization?
    private let layer: ChannelNorm?

    /// - Precondition: the groups divide the channels.
    init(_ norm: TemporalMaxerConfiguration.NeckNorm, channels: Int) {
        group = norm == .groupnorm ? GroupNormalization(channels, groups: Self.groups, isAffine: false) : nil
        layer = norm == .layernorm ? ChannelNorm(channels) : nil
    }

    func callAsFunction(_ levels: [PackedSequence], _ pass: ForwardPass) -> [PackedSequence] {
        levels.map { group?($0, pass) ?? layer?($0, pass) ?? $0 }
    }

    /// The published parameter list names the shared norm by the first level.
    func visitParameters(_ visitor: ParameterVisitor) {
        if let layer { visitor.visit("fpn_norms.0", layer) }
    }
}
