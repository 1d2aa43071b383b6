import Autograd
import Detectors
import Diagnostics
import NeuralNetworks
import RandomStreams
import Sampling
import TrainingMethods

extension AdaptivePseudoLabelMethod {
    private var contrastWeight: Double { settings.contrast.isOn ? settings.contrast.weight : 0 }

    /// ACP alone: `L_ACP = coarse + fine`, labels by clustering.
    func pretrain(_ step: TrainingStep) throws -> [[String: Double]] {
        let contrast = FrameContrast(settings.contrast, step: step)
        return try step.forwardThenBackward { shard, groups, tape in
            let pass = ForwardPass(tape: tape, isTraining: true, random: step.random("forward", shard: shard))
            return contrast.sample(groups[0], detector.pyramid(groups[0].features, pass), shard: shard, group: 0, tape: tape)
        } together: { parts in
            let clusters = settings.contrast.clusters ?? 2 * configuration.data.batchSize
            let losses = try contrast.seed(parts, classes: .clusters(clusters), weight: 1)
            return losses.map { ["coarse": $0.coarse, "fine": $0.fine, "total": $0.coarse + $0.fine] }
        }
    }

    /// Burn-in (one group) and rounds (two): `L_labelled + w L_unlabelled`, each over its own count of positives (Eq. 12), and the contrast of each
    /// group's frames by true and by pseudo-label classes.
    func joint(_ step: TrainingStep) throws -> [[String: Double]] {
        guard let alpha = settings.pseudoLabels.mixupAlpha else { return try learn(detector, step) }
        let mixtures = step.batches.map { self.mixtures($0.groups, alpha: Float(alpha), step: step, shard: $0.shard) }
        return try learn(try requireMixable(), step, mixtures: mixtures)
    }

    private func learn<D: LevelFeatures>(_ detector: D, _ step: TrainingStep) throws -> [[String: Double]] {
        try learn(detector, step, groups: step.batches.map(\.groups), targets: nil)
    }

    private func learn<D: LevelFeatures & PointClassifier>(
        _ detector: D, _ step: TrainingStep, mixtures: [[Mixture]]
    ) throws -> [[String: Double]] {
        try learn(detector, step, groups: mixtures.map { $0.map(\.batch) }) { [store] shard, view, assign in
            let mixture = mixtures[shard][view]
            return MixUp.targets(
                assign(mixture.batch), assign(mixture.moved), points: detector.points(mixture.batch.features), classes: store.classes.count,
                mixes: mixture.mixes)
        }
    }

    private func learn<D: LevelFeatures>(
        _ detector: D, _ step: TrainingStep, groups: [[PackedBatch]],
        targets: ((_ shard: Int, _ view: Int, _ assign: (PackedBatch) -> D.Targets) -> D.Targets)?
    ) throws -> [[String: Double]] {
        let views = groups.map { groups in
            groups.enumerated().map { group, batch in
                group == 0
                    ? LearningView(batch)
                    : LearningView(
                        batch, purpose: "forward unlabelled", prefix: "unlabeled_", weight: settings.pseudoLabels.unlabeledWeight)
            }
        }
        var rules = LearningRules<D>()
        rules.targets = targets
        rules.normalizers = { [self] counts in
            var unlabeled = RunningNormalizers(detector.normalizers, values: counts.count > 1 ? round.normalizers : step.state.normalizers.values)
            defer { if counts.count > 1 { round.normalizers = unlabeled.values } }
            return counts.enumerated().map { view, counts in view == 0 ? step.state.normalizers.update(counts) : unlabeled.update(counts) }
        }
        guard contrastWeight > 0 else { return try step.learn(detector, views: views, rules) }
        let contrast = FrameContrast(settings.contrast, step: step), first = step.shards.owned.lowerBound
        var frames: [[FrameContrast.ShardFrames]] = views.map { _ in [] }
        rules.further = { shard, group, outputs, pass in
            frames[shard].append(
                contrast.sample(views[shard][group].batch, detector.levels(outputs), shard: first + shard, group: group, tape: pass.tape))
            return [:]
        }
        rules.together = { [contrastWeight, store] losses in
            for (group, view) in views[0].enumerated() {
                let weight = contrastWeight * view.weight
                let found = try contrast.seed(frames.map { $0[group] }, classes: .instances(background: store.classes.count), weight: weight)
                for (i, part) in found.enumerated() {
                    losses[i][view.prefix + "coarse"] = part.coarse
                    losses[i][view.prefix + "fine"] = part.fine
                    losses[i]["total", default: 0] += weight * (part.coarse + part.fine)
                }
            }
        }
        return try step.learn(detector, views: views, rules)
    }

    // MARK: MixUp

    /// A group's recordings with their partners mixed in.
    private struct Mixture {
        /// Mixed features, the group's own instances.
        var batch: PackedBatch
        /// Mixed features, the partners' instances where they lie in the mixture.
        var moved: PackedBatch
        var mixes: [MixUp]
    }

    /// MixUp mixes targets point by point.
    @discardableResult func requireMixable() throws -> any LevelFeatures & PointClassifier {
        guard let mixable = detector as? any LevelFeatures & PointClassifier else {
            throw Failure.wrongUsage(
                "MixUp needs a detector whose points classify", at: .key("apl.mixup_alpha"), advice: "set apl.mixup_alpha to null")
        }
        return mixable
    }

    /// A shard's groups, each followed by its partners, which are mixed into it.
    private func mixtures(_ groups: [PackedBatch], alpha: Float, step: TrainingStep, shard: Int) -> [Mixture] {
        (0..<groups.count / 2).map { group in
            let own = groups[2 * group], partners = groups[2 * group + 1]
            var random = RandomStream(seed: step.seed, "mixup", shard, step.step, group)
            let mixes = (0..<own.features.count).map { video in
                MixUp(first: own.features.rows(of: video).count, second: partners.features.rows(of: video).count, alpha: alpha, random: &random)
            }
            let batch = MixUp.batch(own, with: partners, mixes: mixes)
            var moved = batch
            moved.instances = zip(mixes, partners.instances).map { $0.moved($1) }
            return Mixture(batch: batch, moved: moved, mixes: mixes)
        }
    }
}
