import Autograd
import NeuralNetworks

/// ActionFormer's backbone: embedding convolutions (each with norm and ReLU), stem blocks at full length, branch blocks that halve it.
///
/// Input [rows, input dimension]; output one packed level per 1 + branch blocks, finest first, each [rows of the level, embedding dimension].
public final class ConvTransformerBackbone: Module {
    private let embeddings: [Convolution1D]
    private let embeddingNorms: [ChannelNorm]
    private let stem: [TransformerBlock]
    private let branch: [TransformerBlock]
    private let channels: Int
    private let positionTableLength: Int?

    public init(_ configuration: ActionFormerConfiguration) {
        let c = configuration
        channels = c.embeddingDimension
        positionTableLength = c.absolutePositions ? c.maximumLength : nil
        embeddings = (0..<c.embeddingConvolutions).map { i in
            Convolution1D(
                i == 0 ? c.inputDimension : c.embeddingDimension, c.embeddingDimension, kernel: c.embeddingKernel,
                bias: c.embeddingNorm ? nil : .constant(0))
        }
        embeddingNorms = c.embeddingNorm ? embeddings.map { _ in ChannelNorm(c.embeddingDimension) } : []
        func block(window: Int, stride: Int) -> TransformerBlock {
            TransformerBlock(
                channels: c.embeddingDimension, heads: c.heads, window: window, stride: stride, hasRelativePositions: c.relativePositions,
                dropout: c.dropout, dropPath: c.dropPath)
        }
        stem = (0..<c.stemBlocks).map { _ in block(window: c.windows[0], stride: 1) }
        branch = (0..<c.branchBlocks).map { block(window: c.windows[1 + $0], stride: 2) }
    }

    public func callAsFunction(_ features: PackedSequence, _ pass: ForwardPass) -> [PackedSequence] {
        var x = features
        for (i, embedding) in embeddings.enumerated() { x = embedding(x, norm: embeddingNorms.isEmpty ? nil : embeddingNorms[i], pass) }
        if let positionTableLength { x = x.with(pass.tape.addingConstant(x.tensor, positions(x.offsets, positionTableLength, pass))) }
        for block in stem { x = block(x, pass) }
        var levels = [x]
        for block in branch {
            x = block(x, pass)
            levels.append(x)
        }
        return levels
    }

    private func positions(_ offsets: [Int], _ tableLength: Int, _ pass: ForwardPass) -> Tensor {
        var all: [Float] = []
        for b in 0..<offsets.count - 1 {
            all += SinusoidalPositions.encoding(length: offsets[b + 1] - offsets[b], channels: channels, tableLength: tableLength)
        }
        return Tensor(rows: offsets[offsets.count - 1], columns: channels, all)
    }

    public func visitParameters(_ visitor: ParameterVisitor) {
        for (i, embedding) in embeddings.enumerated() {
            visitor.visit("embd.\(i)", Wrapped(embedding, as: "conv"))
            if !embeddingNorms.isEmpty { visitor.visit("embd_norm.\(i)", embeddingNorms[i]) }
        }
        visitor.visit("stem", stem)
        visitor.visit("branch", branch)
    }
}

extension Convolution1D {
    /// Convolution, norm when there is one, ReLU.
    func callAsFunction(_ x: PackedSequence, norm: ChannelNorm?, _ pass: ForwardPass) -> PackedSequence {
        let y = self(x, pass)
        return norm?(y, relu: true, pass) ?? y.with(pass.tape.relu(y.tensor))
    }
}
