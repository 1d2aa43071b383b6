import Autograd
import ContrastivePretraining
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
        let contrast = FrameContrast(settings.contrast, step: step), most = settings.contrast.frames
        return try step.forwardThenBackward { shard, groups, tape in
            let pass = ForwardPass(tape: tape, isTraining: true, random: step.random("forward", shard: shard)), batch = groups[0]
            switch contrasted {
            case .levels(let detector):
                return contrast.sample(batch, detector.pyramid(batch.features, pass), shard: shard, group: 0, tape: tape)
            case .proposals(let detector):
                let rows = detector.contrasted(batch, most: most, pass)
                return FrameContrast.ShardFrames(rows, columns: batch.features.columns, shard: shard, group: 0)
            case .nothing: preconditionFailure("a detector that cannot be contrasted is pre-trained")
            }
        } together: { parts in
            let clusters = settings.contrast.clusters(batch: configuration.data.batchSize)
            let losses = try contrast.seed(parts, classes: .clusters(clusters), weight: 1)
            return losses.map { ["coarse": $0.coarse, "fine": $0.fine, "total": $0.coarse + $0.fine] }
        }
    }

    /// Burn-in (one group) and rounds (two): `L_labelled + w L_unlabelled`, each over its own count of positives (Eq. 12), and the contrast of each
    /// group's frames by true and by pseudo-label classes.
    func joint(_ step: TrainingStep) throws -> [[String: Double]] {
        let views = views(step)
        guard contrastWeight > 0 else { return try learn(detector, step, views) }
        switch contrasted {
        case .levels(let detector): return try learn(levelsOf: detector, step, views)
        case .proposals(let detector): return try learn(proposalsOf: detector, step, views)
        case .nothing: return try learn(detector, step, views)
        }
    }

    private func views(_ step: TrainingStep) -> [[LearningView]] {
        step.batches.map { shard, groups in
            mixing.mixed(groups, at: StepPosition(step: step.step, shard: shard)).enumerated().map { group, found in
                guard group > 0 else { return LearningView(found.batch, mixture: found.mixture) }
                var batch = found.batch
                batch.classes = .unknown
                return LearningView(
                    batch, purpose: "forward unlabelled", prefix: "unlabeled_", weight: settings.pseudoLabels.unlabeledWeight, mixture: found.mixture)
            }
        }
    }

    /// Labelled and unlabelled recordings are divided by counts of their own.
    private func rules<D: Detector>(_ detector: D, _ step: TrainingStep) -> LearningRules<D> {
        var rules = LearningRules<D>()
        rules.normalizers = { [self] counts in
            var unlabeled = RunningNormalizers(detector.normalizers, values: counts.count > 1 ? round.normalizers : step.state.normalizers.values)
            defer { if counts.count > 1 { round.normalizers = unlabeled.values } }
            return counts.enumerated().map { view, counts in view == 0 ? step.state.normalizers.update(counts) : unlabeled.update(counts) }
        }
        return rules
    }

    private func learn(_ detector: some Detector, _ step: TrainingStep, _ views: [[LearningView]]) throws -> [[String: Double]] {
        try step.learn(detector, views: views, rules(detector, step))
    }

    private func learn(levelsOf detector: some LevelFeatures, _ step: TrainingStep, _ views: [[LearningView]]) throws -> [[String: Double]] {
        try learn(detector, step, views) { contrast, batch, outputs, pass, place in
            contrast.sample(batch, detector.levels(outputs, pass), shard: place.shard, group: place.group, tape: pass.tape)
        }
    }

    private func learn(
        proposalsOf detector: some ContrastedProposals, _ step: TrainingStep, _ views: [[LearningView]]
    ) throws -> [[String: Double]] {
        try learn(detector, step, views) { _, batch, outputs, pass, place in
            FrameContrast.ShardFrames(
                detector.contrasted(outputs, pass), columns: batch.features.columns, shard: place.shard, group: place.group)
        }
    }

    /// - Parameter sample: gives what is contrasted of a shard's recordings of one group.
    private func learn<D: Detector>(
        _ detector: D, _ step: TrainingStep, _ views: [[LearningView]],
        sample: @escaping (FrameContrast, PackedBatch, D.Outputs, ForwardPass, (shard: Int, group: Int)) -> FrameContrast.ShardFrames
    ) throws -> [[String: Double]] {
        var rules = rules(detector, step)
        let contrast = FrameContrast(settings.contrast, step: step), first = step.shards.owned.lowerBound
        var frames: [[FrameContrast.ShardFrames]] = views.map { _ in [] }
        rules.further = { shard, group, outputs, pass in
            frames[shard].append(sample(contrast, views[shard][group].batch, outputs, pass, (first + shard, group)))
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
}
