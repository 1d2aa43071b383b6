import Autograd
import NeuralNetworks

/// ActionFormer's backbone: embedding convolutions (each with norm and ReLU), stem blocks at full length, branch blocks that halve it.
///
/// Input [rows, input dimension]; output one packed level per 1 + branch blocks, finest first, each [rows of the level, embedding dimension].
public final class ConvTransformerBackbone: Module {
    private let embedding: FeatureEmbedding
    private let stem: [TransformerBlock]
    private let branch: [TransformerBlock]

    public init(_ configuration: ActionFormerConfiguration) {
        let c = configuration
        embedding = FeatureEmbedding(
            input: c.inputDimension, channels: c.embeddingDimension, layers: c.embeddingConvolutions, kernel: c.embeddingKernel,
            hasNorm: c.embeddingNorm, positionTableLength: c.absolutePositions ? c.maximumLength : nil)
        func block(window: Int, stride: Int) -> TransformerBlock {
            TransformerBlock(
                channels: c.embeddingDimension, heads: c.heads, window: window, stride: stride, hasRelativePositions: c.relativePositions,
                dropout: c.dropout, dropPath: c.dropPath)
        }
        stem = (0..<c.stemBlocks).map { _ in block(window: c.windows[0], stride: 1) }
        branch = (0..<c.branchBlocks).map { block(window: c.windows[1 + $0], stride: 2) }
    }

    public func callAsFunction(_ features: PackedSequence, _ pass: ForwardPass) -> [PackedSequence] {
        var x = embedding(features, pass)
        for block in stem { x = block(x, pass) }
        var levels = [x]
        for block in branch {
            x = block(x, pass)
            levels.append(x)
        }
        return levels
    }

    public func visitParameters(_ visitor: ParameterVisitor) {
        embedding.visitParameters(visitor)
        visitor.visit("stem", stem)
        visitor.visit("branch", branch)
    }
}
