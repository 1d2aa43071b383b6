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
        let parts = step.batches.map { mixed($0.groups, step: step, shard: $0.shard) }
        let groupCount = parts[0].count
        func positives(_ group: Int) -> Int { parts.reduce(0) { $0 + $1[group].targets.positives.count } }
        var weights = [1.0]
        var normalizers = [try step.updateNormalizer(&step.state.lossNormalizer, positives: positives(0))]
        if groupCount > 1 {
            weights.append(configuration.pseudoLabels.unlabeledWeight)
            normalizers.append(try step.updateNormalizer(&round.normalizer, positives: positives(1)))
        }
        let first = step.shards.owned.lowerBound

        func forward(_ shard: Int, _ tape: Tape, _ see: (Int, PackedBatch, [PackedSequence]) -> Void) -> [String: Double] {
            var result: [String: Double] = [:], total = 0.0
            for (group, part) in parts[shard - first].enumerated() {
                let purpose = group == 0 ? "forward" : "forward unlabelled", prefix = group == 0 ? "" : "unlabeled_"
                let pass = ForwardPass(tape: tape, isTraining: true, random: step.random(purpose, shard: shard))
                let levels = detector.pyramid(part.batch.features, pass)
                // Dividing by less weighs more.
                let losses = detector.losses(levels, targets: part.targets, normalizer: normalizers[group] / Float(weights[group]), pass)
                see(group, part.batch, levels)
                for (name, value) in losses where name != "total" { result[prefix + name] = value / weights[group] }
                total += losses["total"] ?? 0
            }
            result["total"] = total
            return result
        }

        guard contrastWeight > 0 else {
            return try step.forwardAndBackward { shard, _, tape in forward(shard, tape) { _, _, _ in } }
        }
        let contrast = FrameContrast(configuration.contrast, step: step)
        return try step.forwardThenBackward { shard, _, tape -> (losses: [String: Double], frames: [FrameContrast.ShardFrames]) in
            var frames: [FrameContrast.ShardFrames] = []
            let losses = forward(shard, tape) { group, batch, levels in
                frames.append(contrast.sample(batch, levels, shard: shard, group: group, tape: tape))
            }
            return (losses, frames)
        } together: { results in
            var losses = results.map(\.losses)
            for group in 0..<groupCount {
                let prefix = group == 0 ? "" : "unlabeled_", weight = contrastWeight * weights[group]
                let found = try contrast.seed(results.map { $0.frames[group] }, classes: .instances(background: store.classes.count), weight: weight)
                for (i, part) in found.enumerated() {
                    losses[i][prefix + "coarse"] = part.coarse
                    losses[i][prefix + "fine"] = part.fine
                    losses[i]["total", default: 0] += weight * (part.coarse + part.fine)
                }
            }
            return losses
        }
    }

    /// A shard's groups and their targets; with MixUp each group is followed by its partners, which are mixed into it.
    private func mixed(_ groups: [PackedBatch], step: TrainingStep, shard: Int) -> [(batch: PackedBatch, targets: PointTargets)] {
        guard let alpha = configuration.pseudoLabels.mixupAlpha else { return groups.map { ($0, detector.assignTargets($0)) } }
        return (0..<groups.count / 2).map { group in
            let own = groups[2 * group], partners = groups[2 * group + 1]
            var random = RandomStream(seed: step.seed, "mixup", shard, step.step, group)
            let mixes = (0..<own.features.count).map { video in
                MixUp(
                    first: own.features.rows(of: video).count, second: partners.features.rows(of: video).count, alpha: Float(alpha), random: &random)
            }
            let batch = MixUp.batch(own, with: partners, mixes: mixes)
            var moved = batch
            moved.instances = zip(mixes, partners.instances).map { $0.moved($1) }
            let targets = MixUp.targets(
                detector.assignTargets(own), detector.assignTargets(moved), points: detector.points(own.features), classes: store.classes.count,
                mixes: mixes)
            return (batch, targets)
        }
    }
}
