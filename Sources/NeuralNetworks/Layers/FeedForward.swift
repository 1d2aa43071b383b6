import Autograd

/// The two layers of a block that look at every row alone: `contract(dropout(GELU(expand(x))))`, expand = linear(channels, hidden).
///
/// Input and output [rows, channels]. On a tape that computes again what is large, the hidden rows are not kept for backward.
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
    ///   - dropProbability: of the hidden values.
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    public func callAsFunction(_ x: PackedSequence, dropProbability: Float = 0, _ pass: ForwardPass) -> PackedSequence {
        let isDropping = pass.isTraining && dropProbability > 0
        // Dropout would draw other numbers the second time.
        guard pass.tape.recomputes, !isDropping else {
            let hidden = expand(x, pass)
            let activated = dropout(pass.tape.gelu(hidden.tensor, onlyForProducts: !isDropping), probability: dropProbability, pass)
            return contract(hidden.with(activated), pass)
        }
        let isTraining = pass.isTraining, random = pass.random
        let leaves = [expand.weight, expand.bias, contract.weight, contract.bias].compactMap { $0?.tensor }
        let y = pass.tape.recomputed(x.tensor, leaves: leaves) { tape, rows in
            let pass = ForwardPass(tape: tape, isTraining: isTraining, random: random)
            let hidden = self.expand(x.with(rows), pass)
            return self.contract(hidden.with(tape.gelu(hidden.tensor, onlyForProducts: true)), pass).tensor
        }
        return x.with(y)
    }
}
