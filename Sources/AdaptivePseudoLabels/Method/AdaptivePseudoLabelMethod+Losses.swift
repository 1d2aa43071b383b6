import Autograd
import Detectors
import NeuralNetworks
import RandomStreams
import Training

extension AdaptivePseudoLabelMethod {
    private var contrastWeight: Double { configuration.contrast.isOn ? configuration.contrast.weight : 0 }

    /// ACP alone: `L_ACP = coarse + fine`, labels by clustering.
    func pretrain(_ step: TrainingStep) throws -> [[String: Double]] {
        let contrast = FrameContrast(configuration.contrast, step: step)
        return try step.forwardThenBackward { shard, groups, tape in
            let pass = ForwardPass(tape: tape, isTraining: true, random: step.random("forward", shard: shard))
            return contrast.sample(groups[0], detector.pyramid(groups[0].features, pass), shard: shard, group: 0, tape: tape)
        } together: { parts in
            let clusters = configuration.contrast.clusters ?? 2 * configuration.data.batchSize
            let losses = try contrast.seed(parts, classes: .clusters(clusters), weight: 1)
            return losses.map { ["coarse": $0.coarse, "fine": $0.fine, "total": $0.coarse + $0.fine] }
        }
    }

    /// Burn-in (one group) and rounds (two): `L_labelled + w L_unlabelled`, each over its own count of positives (Eq. 12), and the contrast of each
    /// group's frames by true and by pseudo-label classes.
    func joint(_ step: TrainingStep) throws -> [[String: Double]] {
        let targets = step.batches.map { batch in mixed(batch.groups, step: step, shard: batch.shard) }
        let groupCount = targets[0].count
        func positives(_ group: Int) -> Int { targets.reduce(0) { $0 + $1[group][0].targets.positives.count } }
        var weights = [1.0]
        var normalizers = [try step.updateNormalizer(&step.state.lossNormalizer, positives: positives(0))]
        if groupCount > 1 {
            weights.append(configuration.pseudoLabels.unlabeledWeight)
            normalizers.append(try step.updateNormalizer(&round.normalizer, positives: positives(1)))
        }
        let first = step.shards.owned.lowerBound

        func forward(_ shard: Int, _ groups: [PackedBatch], _ tape: Tape, _ see: (Int, [PackedSequence]) -> Void) -> [String: Double] {
            var result: [String: Double] = [:], total = 0.0
            for group in 0..<groupCount {
                let batch = groups[group * groups.count / groupCount]
                let purpose = group == 0 ? "forward" : "forward unlabelled", prefix = group == 0 ? "" : "unlabeled_"
                let pass = ForwardPass(tape: tape, isTraining: true, random: step.random(purpose, shard: shard))
                let levels = detector.pyramid(batch.features, pass)
                for part in targets[shard - first][group] {
                    // Dividing by less weighs more.
                    let normalizer = normalizers[group] / (Float(weights[group]) * part.weight)
                    let losses = detector.losses(levels, targets: part.targets, normalizer: normalizer, pass)
                    for (name, value) in losses where name != "total" { result[prefix + name, default: 0] += value / weights[group] }
                    total += losses["total"] ?? 0
                }
                see(group, levels)
            }
            result["total"] = total
            return result
        }

        guard contrastWeight > 0 else {
            return try step.forwardAndBackward { shard, groups, tape in forward(shard, groups, tape) { _, _ in } }
        }
        let contrast = FrameContrast(configuration.contrast, step: step)
        return try step.forwardThenBackward { shard, groups, tape -> (losses: [String: Double], frames: [FrameContrast.ShardFrames]) in
            var frames: [FrameContrast.ShardFrames] = []
            let losses = forward(shard, groups, tape) { group, levels in
                frames.append(contrast.sample(groups[group * groups.count / groupCount], levels, shard: shard, group: group, tape: tape))
            }
            return (losses, frames)
        } together: { parts in
            var losses = parts.map(\.losses)
            for group in 0..<groupCount {
                let prefix = group == 0 ? "" : "unlabeled_", weight = contrastWeight * weights[group]
                let found = try contrast.seed(parts.map { $0.frames[group] }, classes: .instances(background: store.classes.count), weight: weight)
                for (i, part) in found.enumerated() {
                    losses[i][prefix + "coarse"] = part.coarse
                    losses[i][prefix + "fine"] = part.fine
                    losses[i]["total", default: 0] += weight * (part.coarse + part.fine)
                }
            }
            return losses
        }
    }

    /// The targets of a shard's groups, each with its weight: one per group, with MixUp two, the features then mixed in place.
    private func mixed(_ groups: [PackedBatch], step: TrainingStep, shard: Int) -> [[(targets: PointTargets, weight: Float)]] {
        guard let alpha = configuration.pseudoLabels.mixupAlpha else { return groups.map { [(detector.assignTargets($0), Float(1))] } }
        // Each group is followed by its partners.
        return (0..<groups.count / 2).map { group in
            var random = RandomStream(seed: step.seed, "mixup", shard, step.step, group)
            let weight = Mixup.weight(alpha: alpha, random: &random)
            let own = detector.assignTargets(groups[2 * group])
            let others = Mixup.mix(groups[2 * group], with: groups[2 * group + 1], weight: weight, keptPart: configuration.data.truncThresh)
            return [(own, weight), (detector.assignTargets(others), 1 - weight)]
        }
    }
}
