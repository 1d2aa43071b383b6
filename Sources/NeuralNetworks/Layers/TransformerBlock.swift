import Autograd

/// Pre-norm transformer block of ActionFormer: `y = pool(x) + drop_path(scale_a * attention(LN1(x)))`,
/// `z = y + drop_path(scale_m * mlp(LN2(y)))`; mlp = linear(C, 4C), GELU, linear(4C, C); pool is max-pooling when stride > 1.
/// Like the published code it has layer scales only when its drop-path probability is above 0.
///
/// Input [rows, channels]; output ceil(length / stride) rows per sequence.
public final class TransformerBlock: Module {
    public let stride: Int
    private let dropProbability: Float
    private let norm1: ChannelNorm
    private let attention: ConvolutionalAttention
    private let norm2: ChannelNorm
    private let feedForward: FeedForward
    private let attentionResidual: ResidualLayerScale?
    private let mlpResidual: ResidualLayerScale?

    /// Pre-norm attention and a feed-forward part of four times the channels.
    ///
    /// - Parameters:
    ///   - channels: of input and output; a multiple of `heads`.
    ///   - heads: attention heads.
    ///   - window: rows that a position sees around itself, odd; at most 1: all rows.
    ///   - stride: rows in per row out.
    ///   - hasRelativePositions: whether the attention learns relative positions; needs a window.
    ///   - dropout: probability for attention, projection and hidden values.
    ///   - dropPath: probability of leaving out a branch; at 0 there are no layer scales.
    public init(channels: Int, heads: Int, window: Int, stride: Int, hasRelativePositions: Bool, dropout: Float, dropPath: Float) {
        self.stride = stride
        dropProbability = dropout
        norm1 = ChannelNorm(channels)
        attention = ConvolutionalAttention(
            channels: channels, heads: heads, window: window, stride: stride, hasRelativePositions: hasRelativePositions, dropout: dropout)
        norm2 = ChannelNorm(channels)
        feedForward = FeedForward(channels: channels, hidden: 4 * channels)
        attentionResidual = dropPath > 0 ? ResidualLayerScale(channels: channels, dropProbability: dropPath) : nil
        mlpResidual = dropPath > 0 ? ResidualLayerScale(channels: channels, dropProbability: dropPath) : nil
    }

    /// Runs the block: channels stay, rows are divided by its stride.
    public func callAsFunction(_ x: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        let seen = attention(norm1(x, pass), pass)
        let skip = stride > 1 ? pass.tape.maxPool(x, kernel: stride + 1, stride: stride) : x
        let y = Self.add(skip, seen, attentionResidual, pass)
        let mixed = feedForward(y, after: norm2, dropProbability: dropProbability, pass)
        return Self.add(y, mixed.with(dropout(mixed.tensor, probability: dropProbability, pass)), mlpResidual, pass)
    }

    private static func add(_ x: PackedSequence, _ branch: PackedSequence, _ scale: ResidualLayerScale?, _ pass: ForwardPass) -> PackedSequence {
        scale?(x, branch: branch, pass) ?? x.with(pass.tape.sum(x.tensor, branch.tensor))
    }

    /// Under the published names: `ln1`, `attn`, `ln2`, `mlp.0`, `mlp.3`, and the layer scales where there are any.
    public func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("ln1", norm1)
        visitor.visit("attn", attention)
        if let attentionResidual { visitor.visit("drop_path_attn", attentionResidual) }
        visitor.visit("ln2", norm2)
        visitor.visit("mlp.0", feedForward.expand)
        visitor.visit("mlp.3", feedForward.contract)
        if let mlpResidual { visitor.visit("drop_path_mlp", mlpResidual) }
    }
}
