import Autograd
import RandomStreams

/// The context of a forward pass that layers need.
public final class ForwardPass {
    public let tape: Tape
    /// Whether drop path and dropout are active.
    public let isTraining: Bool
    /// The random numbers of this pass, in forward order.
    public var random: RandomStream

    /// `random` feeds drop path and dropout; it is not used without training.
    public init(tape: Tape, isTraining: Bool, random: RandomStream) {
        self.tape = tape
        self.isTraining = isTraining
        self.random = random
    }

    /// A pass that records nothing and drops nothing.
    public static func inference() -> ForwardPass {
        ForwardPass(tape: Tape(recording: false), isTraining: false, random: RandomStream(seed: 0, "inference"))
    }
}
