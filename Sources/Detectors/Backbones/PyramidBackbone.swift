import Autograd
import NeuralNetworks

/// One block of a backbone: as many rows as came in, or with stride 2 half as many (rounded up), and as many channels.
public protocol BackboneBlock: Module {
    /// Runs the block: [rows, channels] in, as many channels out, rows divided by its stride.
    func callAsFunction(_ x: PackedSequence, _ pass: ForwardPass) -> PackedSequence
}

extension TransformerBlock: BackboneBlock {}

/// The detectors' backbone: embedding convolutions (each with norm and ReLU), stem blocks at full length, branch blocks that halve it.
///
/// Input [rows, input dimension]; output one packed level per 1 + branch blocks, finest first, each [rows of the level, embedding dimension].
public final class PyramidBackbone: Module {
    private let embedding: FeatureEmbedding
    private let stem: [any BackboneBlock]
    private let branch: [any BackboneBlock]

    /// - Parameters:
    ///   - configuration: widths, layers and levels.
    ///   - stemBlock: makes a block of stride 1.
    ///   - branchBlock: makes the block of stride 2 that gives the level, 1 or more.
    public init(
        _ configuration: PyramidConfiguration, stemBlock: () -> any BackboneBlock, branchBlock: (_ level: Int) -> any BackboneBlock
    ) {
        embedding = FeatureEmbedding(configuration)
        stem = (0..<configuration.stemBlocks).map { _ in stemBlock() }
        branch = (1..<configuration.levels).map(branchBlock)
    }

    /// Embeds the features, [rows, input dimension], and gives the levels, finest first.
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

    /// The embedding's, then `stem` and `branch` with the number of the block.
    public func visitParameters(_ visitor: ParameterVisitor) {
        embedding.visitParameters(visitor)
        visitor.visit("stem", stem)
        visitor.visit("branch", branch)
    }
}
