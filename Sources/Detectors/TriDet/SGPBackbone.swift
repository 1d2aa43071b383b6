import Autograd
import NeuralNetworks

/// TriDet's backbone: embedding convolutions (each with norm and ReLU), stem blocks at full length, branch blocks that halve it.
///
/// Input [rows, input dimension]; output one packed level per 1 + branch blocks, finest first, each [rows of the level, embedding dimension].
public final class SGPBackbone: Module {
    private let embedding: FeatureEmbedding
    private let stem: [SGPBlock]
    private let branch: [SGPBlock]

    public init(_ configuration: TriDetConfiguration) {
        let c = configuration
        embedding = FeatureEmbedding(
            input: c.inputDimension, channels: c.embeddingDimension, layers: c.embeddingConvolutions, kernel: c.embeddingKernel,
            hasNorm: c.embeddingNorm, positionTableLength: c.absolutePositions ? c.maximumLength : nil)
        func block(window: Int, stride: Int, dropPath: Float) -> SGPBlock {
            SGPBlock(
                channels: c.embeddingDimension, hidden: c.hiddenDimension, window: window, factor: c.windowFactor, stride: stride,
                dropPath: dropPath, deviation: c.branchDeviation)
        }
        // The published stem has kernel 1 and no drop path.
        stem = (0..<c.stemBlocks).map { _ in block(window: 1, stride: 1, dropPath: 0) }
        branch = (0..<c.branchBlocks).map { block(window: c.windows[1 + $0], stride: 2, dropPath: c.dropPath) }
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
