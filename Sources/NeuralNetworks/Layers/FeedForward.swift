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
        let isDropping = pass.isTraining && dropProbability > 0
        // Dropout would draw other numbers the second time.
        guard pass.tape.recomputes, !isDropping else {
            let hidden = expanded(x, after: norm, pass)
            guard isDropping else { return contract.ofGELU(hidden, pass) }
            return contract(hidden.with(dropout(pass.tape.gelu(hidden.tensor), probability: dropProbability, pass)), pass)
        }
        let isTraining = pass.isTraining, random = pass.random
        let parameters = [norm?.weight, norm?.bias, expand.weight, expand.bias, contract.weight, contract.bias]
        let y = pass.tape.recomputed(x.tensor, leaves: parameters.compactMap { $0?.tensor }) { tape, rows in
            let pass = ForwardPass(tape: tape, isTraining: isTraining, random: random)
            return self.contract.ofGELU(self.expanded(x.with(rows), after: norm, pass), pass).tensor
        }
        return x.with(y)
    }

    private func expanded(_ x: PackedSequence, after norm: ChannelNorm?, _ pass: ForwardPass) -> PackedSequence {
        norm.map { expand.ofNorm($0, x, pass) } ?? expand(x, pass)
    }
}
