import Autograd

/// Convolutions one after another, each with layer norm when asked for, and ReLU. Input [rows, input], output [rows, channels].
public final class ConvolutionStack {
    private let convolutions: [Convolution1D]
    private let norms: [ChannelNorm]
    private let names: (convolution: String, norm: String)

    /// - Parameters:
    ///   - input: columns of the first convolution's input.
    ///   - channels: columns of every output.
    ///   - count: convolutions; none: the input is the output.
    ///   - kernel: rows of the kernels, odd.
    ///   - hasNorm: whether layer norm follows each convolution, which has no bias then.
    ///   - names: published names before the number of a convolution and of its norm.
    public init(input: Int, channels: Int, count: Int, kernel: Int, hasNorm: Bool, names: (convolution: String, norm: String)) {
        convolutions = (0..<count).map { Convolution1D($0 == 0 ? input : channels, channels, kernel: kernel, bias: hasNorm ? nil : .constant(0)) }
        norms = hasNorm ? convolutions.map { _ in ChannelNorm(channels) } : []
        self.names = names
    }

    /// Runs the convolutions: [rows, input] in, [rows, channels] out.
    public func callAsFunction(_ x: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        var x = x
        for (i, convolution) in convolutions.enumerated() {
            let y = convolution(x, pass)
            x = norms.isEmpty ? y.with(pass.tape.relu(y.tensor)) : norms[i](y, relu: true, pass)
        }
        return x
    }

    /// Layer by layer: the convolution's under its name and number, then the norm's under its own.
    public func visitParameters(_ visitor: ParameterVisitor) {
        for (i, convolution) in convolutions.enumerated() {
            visitor.visit("\(names.convolution).\(i)", Wrapped(convolution, as: "conv"))
            if !norms.isEmpty { visitor.visit("\(names.norm).\(i)", norms[i]) }
        }
    }
}
