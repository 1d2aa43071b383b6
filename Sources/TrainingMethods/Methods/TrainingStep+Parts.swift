import Autograd
import Detectors
import NeuralNetworks
import RandomStreams

/// Steps whose recordings pass in parts (`training.accumulate`).
extension TrainingStep {
    /// The ordinary step, the recordings of every view in `parts` parts one after another. Losses are divided by the counts over all parts, so their
    /// sum is that of the step in one part; its rounding differs, and so do the draws of drop path and dropout.
    ///
    /// - Precondition: targets depend on annotations alone, and no view is a mixture or augmented.
    func learnInParts<D: Detector>(_ detector: D, views: [[LearningView]]) throws -> [[String: Double]] {
        guard case .fromAnnotations(let assign) = detector.assignment else { preconditionFailure("targets depend on the outputs") }
        precondition(views.joined().allSatisfy { $0.mixture == nil && $0.augment == nil }, "recordings are mixed or augmented")
        let first = shards.owned.lowerBound
        let cut = views.map { $0.map { $0.batch.parts(parts) } }
        var targets = cut.map { $0.map { $0.map(assign) } }
        func overParts(_ counts: [[Double]]) -> [Double] { counts.dropFirst().reduce(counts[0]) { zip($0, $1).map { $0 + $1 } } }
        var sums = try sumCounts(targets.map { $0.map { overParts($0.map(\.counts)) } })
        let further = targets.indices.map { place in
            targets[place].indices.map { number in
                overParts(
                    targets[place][number].indices.map { part in
                        var stream = RandomStream(seed: seed, "targets of \(views[place][number].purpose)", first + place, step, part)
                        return targets[place][number][part].settle(sums[number], random: &stream)
                    })
            }
        }
        sums = zip(sums, try sumFurtherCounts(further)).map { $0 + $1 }
        let shared = state.normalizers.update(sums.dropFirst().reduce(sums.first ?? []) { zip($0, $1).map { $0 + $1 } })
        return try forwardAndBackwardInParts { shard, part, tape in
            var losses: [String: Double] = [:]
            for (number, view) in views[shard - first].enumerated() {
                let stream = RandomStream(seed: seed, view.purpose, shard, step, part)
                let pass = ForwardPass(tape: tape, isTraining: true, random: stream)
                let outputs = detector(cut[shard - first][number][part], pass)
                let found = detector.seedLosses(
                    outputs, targets: targets[shard - first][number][part], normalizers: shared.map { $0 / Float(view.weight) }, tape: tape)
                for (name, value) in found {
                    losses[name == "total" ? name : view.prefix + name, default: 0] += name == "total" ? value : value / view.weight
                }
            }
            return losses
        }
    }
}
