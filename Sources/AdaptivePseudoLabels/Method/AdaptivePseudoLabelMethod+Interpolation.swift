import Checkpoints
import NeuralNetworks
import TrainingMethods

/// The detector that a run ends with may lie between that of the burn-in and that of the last round: what one has learnt of wrong labels, the other
/// has not (interpolation of weights after fine-tuning: WiSE-FT, Wortsman et al., arXiv 2109.01903, equation 1).
extension AdaptivePseudoLabelMethod {
    /// Of the burn-in's weights; 0: none are kept.
    var share: Float { settings.pseudoLabels.rounds > 0 ? Float(settings.pseudoLabels.burnInShare) : 0 }

    /// At the end of the burn-in: keeps its weights and their average, where the run ends with a share of them.
    func keepBurnIn(_ state: TrainingState) {
        if share > 0 { burnIn = SavedWeights(state) }
    }

    /// At the end of the last round: weights and their average become `share` times those of the burn-in and 1 - `share` times the present ones.
    func returnToBurnIn(after round: Int, _ state: TrainingState) {
        guard round == settings.pseudoLabels.rounds, let burnIn else { return }
        burnIn.mix(into: state, share: share)
        self.burnIn = nil
    }

    /// The burn-in's weights that a checkpoint holds; nil for one before its end, and after the last round.
    func keptBurnIn(_ state: [String: [UInt8]]) throws -> SavedWeights? {
        guard share > 0, state["apl_burn_in_weights"] != nil else { return nil }
        return try SavedWeights("apl_burn_in", of: state, count: MemoryPlanner.count(detector))
    }
}
