import Autograd

/// Multi-head attention whose query, key and value pass a depthwise convolution first (ActionFormer's `MaskedMHCA` and `LocalMaskedMHCA`):
/// each = linear(norm(depthwise(x))); then attention over |t - u| <= window / 2 (all positions when window <= 1); then a linear layer.
///
/// Input [rows, channels]; output ceil(length / stride) rows per sequence.
public final class ConvolutionalAttention: Module {
    public let heads: Int
    /// Rows that a position sees around itself, odd; at most 1: all rows.
    public let window: Int
    private let dropProbability: Float
    private let convolutions: [DepthwiseConvolution1D]
    private let norms: [ChannelNorm]
    private let projections: [Convolution1D]
    private let output: Convolution1D
    /// [heads, window], published as `rel_pe`.
    public let relativePositions: Parameter?

    /// - Parameters:
    ///   - channels: values of a row.
    ///   - heads: number of heads; divides the channels.
    ///   - window: rows that a row sees; at most 1 for all.
    ///   - stride: 1, or 2 for attention that halves the length.
    ///   - hasRelativePositions: for windowed attention alone; the window must be odd.
    ///   - dropout: of the output.
    public init(channels: Int, heads: Int, window: Int, stride: Int, hasRelativePositions: Bool, dropout: Float) {
        self.heads = heads
        self.window = window
        dropProbability = dropout
        let kernel = stride > 1 ? stride + 1 : 3
        convolutions = (0..<3).map { _ in DepthwiseConvolution1D(channels: channels, kernel: kernel, stride: stride) }
        norms = (0..<3).map { _ in ChannelNorm(channels) }
        projections = (0..<3).map { _ in Convolution1D(channels, channels, kernel: 1) }
        output = Convolution1D(channels, channels, kernel: 1)
        relativePositions =
            hasRelativePositions && window > 1
            ? Parameter(
                .relativePositions(heads: heads, window: window), count: heads * window, isDecayed: false,
                initialization: .truncatedNormal(deviation: (2 / Float(channels)).squareRoot())) : nil
    }

    /// Runs the layer: channels stay, rows are divided by the stride.
    public func callAsFunction(_ x: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        let qkv = pass.tape.normedProjections(
            of: x, stride: convolutions[0].stride,
            (0..<3).map { i in
                Tape.NormedProjection(
                    filter: convolutions[i].weight.tensor, scale: norms[i].weight.tensor, shift: norms[i].bias.tensor,
                    weight: projections[i].weight.tensor, bias: projections[i].bias?.tensor)
            })
        let seen = pass.tape.attention(qkv[0], qkv[1], qkv[2], heads: heads, window: window, relative: relativePositions?.tensor)
        let out = output(seen, pass)
        return out.with(dropout(out.tensor, probability: dropProbability, pass))
    }

    /// Convolution, norm and projection of `query`, `key` and `value`, then `rel_pe` where there is one, and `proj`.
    public func visitParameters(_ visitor: ParameterVisitor) {
        for (i, name) in ["query", "key", "value"].enumerated() {
            visitor.visit("\(name)_conv", Wrapped(convolutions[i], as: "conv"))
            visitor.visit("\(name)_norm", norms[i])
            visitor.visit(name, projections[i])
        }
        if let relativePositions { visitor.visit("rel_pe", relativePositions) }
        visitor.visit("proj", output)
    }
}
