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

    /// - Throws: `Failure` for a detector whose features cannot be contrasted; the settings have refused it before.
    private func contrasted() throws -> any LevelFeatures {
        guard let levelled else {
            throw Failure.wrongUsage("the contrast needs a detector that has levels of features", at: .key("model.name"), advice: "turn acp off")
        }
        return levelled
    }

    /// ACP alone: `L_ACP = coarse + fine`, labels by clustering.
    func pretrain(_ step: TrainingStep) throws -> [[String: Double]] {
        let contrast = FrameContrast(settings.contrast, step: step), detector = try contrasted()
        return try step.forwardThenBackward { shard, groups, tape in
            let pass = ForwardPass(tape: tape, isTraining: true, random: step.random("forward", shard: shard))
            return contrast.sample(groups[0], detector.pyramid(groups[0].features, pass), shard: shard, group: 0, tape: tape)
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
        return contrastWeight > 0 ? try learnWithContrast(try contrasted(), step, views) : try learn(detector, step, views)
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

    private func learnWithContrast(_ detector: some LevelFeatures, _ step: TrainingStep, _ views: [[LearningView]]) throws -> [[String: Double]] {
        var rules = rules(detector, step)
        let contrast = FrameContrast(settings.contrast, step: step), first = step.shards.owned.lowerBound
        var frames: [[FrameContrast.ShardFrames]] = views.map { _ in [] }
        rules.further = { shard, group, outputs, pass in
            frames[shard].append(
                contrast.sample(views[shard][group].batch, detector.levels(outputs, pass), shard: first + shard, group: group, tape: pass.tape))
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
