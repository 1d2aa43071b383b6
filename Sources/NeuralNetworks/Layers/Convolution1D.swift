import Autograd

/// Convolution along time, stride 1, same length: `y[t] = sum_j x[t + j - k/2] W[j] + b`, zeros beyond the ends of each sequence.
/// With kernel 1 it is a linear layer on every row.
///
/// Input [rows, input], output [rows, output]. Published names `weight` [output, input, kernel] and `bias` [output].
public final class Convolution1D: Module {
    public let kernel: Int
    public let weight: Parameter
    public let bias: Parameter?

    /// - Parameters:
    ///   - input: channels of the input.
    ///   - output: channels of the result.
    ///   - kernel: rows of the kernel, odd.
    ///   - biasInitialization: nil for a layer without bias.
    public init(_ input: Int, _ output: Int, kernel: Int, bias biasInitialization: Initialization? = .constant(0)) {
        self.kernel = kernel
        weight = Parameter(
            .convolution(kernel: kernel, input: input, output: output), count: kernel * input * output, isDecayed: true,
            initialization: .uniform(bound: 1 / Float(kernel * input).squareRoot()))
        bias = biasInitialization.map { Parameter(.vector, count: output, isDecayed: false, initialization: $0) }
    }

    /// Runs the layer: [rows, input] in, [rows, output] out.
    public func callAsFunction(_ x: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        pass.tape.convolution(x, weight: weight.tensor, bias: bias?.tensor, kernel: kernel)
    }

    /// This layer, with kernel 1, of norm(x), which is not kept for backward.
    public func ofNorm(_ norm: ChannelNorm, _ x: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        precondition(kernel == 1, "a linear layer")
        return x.with(
            pass.tape.linearOfLayerNorm(
                x.tensor, scale: norm.weight.tensor, shift: norm.bias.tensor, weight: weight.tensor, bias: bias?.tensor))
    }

    /// `weight`, and `bias` where there is one.
    public func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("weight", weight)
        if let bias { visitor.visit("bias", bias) }
    }
}

/// Convolution along time with one filter per channel.
///
/// Input [rows, channels]; output ceil(length / stride) rows per sequence. Published names `weight` [channels, 1, kernel] and `bias`.
public final class DepthwiseConvolution1D: Module {
    public let stride: Int
    public let weight: Parameter
    public let bias: Parameter?

    /// - Parameters:
    ///   - channels: values of a row.
    ///   - kernel: rows of the kernel, odd.
    ///   - stride: rows from one result to the next.
    ///   - hasBias: whether a bias is added.
    ///   - initialization: of the weights; PyTorch's default otherwise.
    public init(channels: Int, kernel: Int = 3, stride: Int = 1, bias hasBias: Bool = false, initialization: Initialization? = nil) {
        self.stride = stride
        weight = Parameter(
            .depthwise(kernel: kernel, channels: channels), count: kernel * channels, isDecayed: true,
            initialization: initialization ?? .uniform(bound: 1 / Float(kernel).squareRoot()))
        bias = hasBias ? Parameter(.vector, count: channels, isDecayed: false, initialization: .constant(0)) : nil
    }

    /// Runs the layer: channels stay, rows are divided by the stride.
    public func callAsFunction(_ x: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        pass.tape.depthwiseConvolution(x, weight: weight.tensor, bias: bias?.tensor, stride: stride)
    }

    /// `weight`, and `bias` where there is one.
    public func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("weight", weight)
        if let bias { visitor.visit("bias", bias) }
    }
}

/// A layer under a further name: the published code wraps its convolutions, so their names read `... .conv.weight`.
public final class Wrapped<Layer: Module>: Module {
    public let name: String
    public let layer: Layer
    /// The layer's parameters are named `NAME.weight` and so on; the layer itself is not changed.
    public init(_ layer: Layer, as name: String) {
        self.layer = layer
        self.name = name
    }
    /// The layer's under `name`.
    public func visitParameters(_ visitor: ParameterVisitor) { visitor.visit(name, layer) }
}
