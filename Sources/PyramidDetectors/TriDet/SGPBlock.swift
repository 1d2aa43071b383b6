import Autograd
import Configuration
import Detectors
import NeuralNetworks

/// Scalable-granularity perception block of TriDet (arXiv 2303.07347, Eqs. 1 to 3): with u = LN(pool(x)),
/// `f = fc(u) ReLU(fc'(mean(u))) + psi(u) (conv_w(u) + conv_kw(u)) + u`, `y = pool(x) + drop_path(scale_o f)`,
/// `z = y + drop_path(scale_m mlp(GN(y)))`; all convolutions of f are depthwise, mlp = linear, GELU, linear; pool is there when stride > 1 (`Downsampling`).
/// Means and group norms stop at the ends of a sequence. Like the published code it has layer scales only when its drop-path probability is above 0.
///
/// Input [rows, channels]; output ceil(length / stride) rows per sequence.
public final class SGPBlock: BackboneBlock {
    /// How a block of stride s makes fewer rows of many: the published `downsample_type`.
    public enum Downsampling: String, ConfigurationChoice, Sendable {
        /// The maximum over s + 1 rows around every s-th; what is beyond the ends is ignored.
        case max
        /// A linear layer on the mean of s rows, one window after another (`AvgPool1d(s, stride=s)`, `Conv1d` of kernel 1).
        ///
        /// Where a sequence's length is no multiple of s, its last window is filled up with rows of zeros. These are the padding of the published
        /// code as the embedding's mask leaves it. Behind a block that code does not mask, and its padding holds what the biases make of it.
        case avg
    }

    public let stride: Int
    /// The window branch's second kernel.
    public let wideKernel: Int
    /// Behind the average; nil with max-pooling and stride 1.
    private let pooledLinear: Convolution1D?
    private let norm: ChannelNorm
    private let modulation: DepthwiseConvolution1D
    private let instant: DepthwiseConvolution1D
    private let narrow: DepthwiseConvolution1D
    private let wide: DepthwiseConvolution1D
    private let gate: DepthwiseConvolution1D
    private let groupNorm: GroupNormalization
    private let feedForward: FeedForward
    private let outputResidual: ResidualLayerScale?
    private let mlpResidual: ResidualLayerScale?

    /// - Parameters:
    ///   - channels: values of a row.
    ///   - hidden: channels between the two layers of the MLP.
    ///   - window: kernel w, odd.
    ///   - factor: the second kernel is `wideKernel(window:factor:)`.
    ///   - stride: 1, or 2 for a block that halves the length.
    ///   - dropPath: probability that a sequence's branch is dropped in training.
    ///   - deviation: of the branches' weights at the beginning.
    ///   - downsampling: how the length is divided by the stride.
    public init(
        channels: Int, hidden: Int, window: Int, factor: Double, stride: Int, dropPath: Float, deviation: Float, downsampling: Downsampling = .max
    ) {
        self.stride = stride
        pooledLinear = stride > 1 && downsampling == .avg ? Convolution1D(channels, channels, kernel: 1) : nil
        wideKernel = Self.wideKernel(window: window, factor: factor)
        func depthwise(_ kernel: Int) -> DepthwiseConvolution1D {
            DepthwiseConvolution1D(channels: channels, kernel: kernel, bias: true, initialization: .normal(deviation: deviation))
        }
        norm = ChannelNorm(channels)
        modulation = depthwise(window)
        instant = depthwise(1)
        narrow = depthwise(window)
        wide = depthwise(wideKernel)
        gate = depthwise(1)
        groupNorm = GroupNormalization(channels, groups: TriDetConfiguration.normGroups)
        feedForward = FeedForward(channels: channels, hidden: hidden)
        outputResidual = dropPath > 0 ? ResidualLayerScale(channels: channels, dropProbability: dropPath) : nil
        mlpResidual = dropPath > 0 ? ResidualLayerScale(channels: channels, dropProbability: dropPath) : nil
    }

    /// `factor (window + 1)` rounded (a half to the even neighbour), and one more where that is even.
    public static func wideKernel(window: Int, factor: Double) -> Int {
        let size = Int((Double(window + 1) * factor).rounded(.toNearestOrEven))
        return size % 2 == 0 ? size + 1 : size
    }

    /// Runs the block: [rows, channels] in and out, rows divided by its stride.
    public func callAsFunction(_ x: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        let pooled = pooled(x, pass)
        let u = norm(pooled, pass)
        let opening = pass.tape.relu(gate(pass.tape.sequenceMean(u), pass).tensor)
        let f = pass.tape.scalableGranularity(
            instant: instant(u, pass).tensor, gate: opening, narrow: narrow(u, pass).tensor, wide: wide(u, pass).tensor,
            modulation: modulation(u, pass).tensor, u)
        let y = Self.add(pooled, f, outputResidual, pass)
        return Self.add(y, feedForward(groupNorm(y, pass), pass), mlpResidual, pass)
    }

    private func pooled(_ x: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        guard stride > 1 else { return x }
        guard let pooledLinear else { return pass.tape.maxPool(x, kernel: stride + 1, stride: stride) }
        return pooledLinear(pass.tape.averagePool(x, size: stride), pass)
    }

    private static func add(_ x: PackedSequence, _ branch: PackedSequence, _ scale: ResidualLayerScale?, _ pass: ForwardPass) -> PackedSequence {
        scale?(x, branch: branch, pass) ?? x.with(pass.tape.sum(x.tensor, branch.tensor))
    }

    /// Under the names of the published `SGPBlock`; layer scales only where drop path is used,
    /// `downsample.1` only behind an average.
    public func visitParameters(_ visitor: ParameterVisitor) {
        if let pooledLinear { visitor.visit("downsample.1", pooledLinear) }
        visitor.visit("ln", norm)
        visitor.visit("global_fc", gate)
        visitor.visit("fc", instant)
        visitor.visit("convw", narrow)
        visitor.visit("convkw", wide)
        visitor.visit("psi", modulation)
        if let outputResidual { visitor.visit("drop_path_out", outputResidual) }
        visitor.visit("gn", groupNorm)
        visitor.visit("mlp.0", feedForward.expand)
        visitor.visit("mlp.2", feedForward.contract)
        if let mlpResidual { visitor.visit("drop_path_mlp", mlpResidual) }
    }
}
