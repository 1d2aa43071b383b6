import Autograd

/// The two layers of a block that look at every row alone: `contract(dropout(GELU(expand(x))))`, expand = linear(channels, hidden).
///
/// Input and output [rows, channels]. The activated hidden rows are not kept for backward, and on a tape that computes again what is large, none.
public final class FeedForward {
    public let expand: Convolution1D
    public let contract: Convolution1D

    /// Two linear layers with biases: `channels` to `hidden`, and back.
    public init(channels: Int, hidden: Int) {
        expand = Convolution1D(channels, hidden, kernel: 1)
        contract = Convolution1D(hidden, channels, kernel: 1)
    }

    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - norm: of the input, first; nil: none.
    ///   - dropProbability: of the hidden values.
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    public func callAsFunction(
        _ x: PackedSequence, after norm: ChannelNorm? = nil, dropProbability: Float = 0, _ pass: ForwardPass
    ) -> PackedSequence {
        // Dropout would draw other numbers when it is computed again.
        if pass.isTraining && dropProbability > 0 {
            let hidden = norm.map { expand.ofNorm($0, x, pass) } ?? expand(x, pass)
            return contract(hidden.with(dropout(pass.tape.gelu(hidden.tensor), probability: dropProbability, pass)), pass)
        }
        let y = pass.tape.recomputed(x.tensor, leaves: parameters(norm)) { tape, rows in
            tape.feedForward(
                rows, norm: norm.map { ($0.weight.tensor, $0.bias.tensor) }, expand: Self.tensors(self.expand), contract: Self.tensors(self.contract))
        }
        return x.with(y)
    }

    private func parameters(_ norm: ChannelNorm?) -> [Tensor] {
        [norm?.weight, norm?.bias, expand.weight, expand.bias, contract.weight, contract.bias].compactMap { $0?.tensor }
    }

    private static func tensors(_ layer: Convolution1D) -> Tape.LinearLayer {
        guard let bias = layer.bias else { preconditionFailure("both layers have a bias") }
        return (layer.weight.tensor, bias.tensor)
    }
}
