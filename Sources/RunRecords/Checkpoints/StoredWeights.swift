/// Which of the weights of a checkpoint: those of its step, or their average over the steps.
public enum StoredWeights: String, CaseIterable, Sendable {
    case current, ema

    /// The group of a checkpoint that holds them.
    package var group: String { self == .ema ? "average" : "weights" }
}
