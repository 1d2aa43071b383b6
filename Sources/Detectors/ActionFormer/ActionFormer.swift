import Autograd
import NeuralNetworks

/// ActionFormer (arXiv 2202.07925): a transformer over a feature pyramid, whose every point classifies the action around it and predicts the
/// distances to its ends. Packed: no padding, no masks. Parameter names are those of the published code.
public final class ActionFormer: PyramidDetector, AnnotationAssigned {
    public let configuration: ActionFormerConfiguration
    private let backbone: PyramidBackbone
    private let neck: any Neck
    private let classificationHead: ClassificationHead
    private let regressionHead: RegressionHead

    public typealias Outputs = RegressedOutputs

    /// - Precondition: the configuration has been checked (windows and ranges per level, heads dividing the channels, equal widths of an identity
    ///   neck).
    public init(_ configuration: ActionFormerConfiguration) {
        let c = configuration, shared = configuration.pyramid
        precondition(c.windows.count == shared.levels && shared.regressionRanges.count == shared.levels)
        self.configuration = c
        func block(level: Int, stride: Int) -> TransformerBlock {
            TransformerBlock(
                channels: shared.embeddingDimension, heads: c.heads, window: c.windows[level], stride: stride,
                hasRelativePositions: c.relativePositions, dropout: c.dropout, dropPath: shared.dropPath)
        }
        backbone = PyramidBackbone(shared) {
            block(level: 0, stride: 1)
        } branchBlock: {
            block(level: $0, stride: 2)
        }
        neck = shared.makeNeck()
        classificationHead = shared.makeClassificationHead(kernel: shared.headKernel)
        regressionHead = shared.makeRegressionHead()
    }

    public func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("backbone", backbone)
        visitor.visit("neck", neck)
        visitor.visit("cls_head", classificationHead)
        visitor.visit("reg_head", regressionHead)
    }

    public func pyramid(_ features: PackedSequence, _ pass: ForwardPass) -> [PackedSequence] { neck(backbone(features, pass), pass) }

    public func heads(_ levels: [PackedSequence], _ pass: ForwardPass) -> Outputs {
        let (pyramid, levelOffsets) = concatenated(levels, pass)
        let logits = classificationHead(pyramid, pass)
        let (offsets, quality) = regressionHead(pyramid, levelOffsets: levelOffsets, pass)
        return Outputs(levels: levels, logits: logits, offsets: offsets, quality: quality)
    }
}
