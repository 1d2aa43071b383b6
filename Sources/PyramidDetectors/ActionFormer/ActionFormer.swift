import Autograd
import Detectors
import NeuralNetworks

/// ActionFormer (arXiv 2202.07925): a transformer over a feature pyramid, whose every point classifies the action around it and predicts the
/// distances to its ends. Packed: no padding, no masks. Parameter names are those of the published code.
public final class ActionFormer: PyramidDetector, AnnotationAssigned {
    public let configuration: ActionFormerConfiguration
    private let network: RegressedNetwork

    public typealias Outputs = RegressedOutputs

    /// - Precondition: the configuration has been checked (windows and ranges per level, heads dividing channels, equal widths of an identity neck).
    public init(_ configuration: ActionFormerConfiguration) {
        let c = configuration, shared = configuration.pyramid
        precondition(c.windows.count == shared.levels && shared.regressionRanges.count == shared.levels)
        self.configuration = c
        func block(level: Int, stride: Int) -> TransformerBlock {
            TransformerBlock(
                channels: shared.embeddingDimension, heads: c.heads, window: c.windows[level], stride: stride,
                hasRelativePositions: c.relativePositions, dropout: c.dropout, dropPath: shared.dropPath)
        }
        let backbone = PyramidBackbone(shared) {
            block(level: 0, stride: 1)
        } branchBlock: {
            block(level: $0, stride: 2)
        }
        network = RegressedNetwork(shared, backbone: backbone)
    }

    /// Under the names of the published code: `backbone`, `neck`, `cls_head`, `reg_head`.
    public func visitParameters(_ visitor: ParameterVisitor) { network.visitParameters(visitor) }
    /// Embedding, transformer blocks and neck: the levels, finest first.
    public func pyramid(_ features: PackedSequence, _ pass: ForwardPass) -> [PackedSequence] { network.pyramid(features, pass) }
    /// Class logits and distances at all points of the levels.
    public func heads(_ levels: [PackedSequence], _ pass: ForwardPass) -> Outputs { network.heads(levels, pass) }
}
