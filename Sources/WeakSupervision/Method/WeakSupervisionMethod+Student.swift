import Autograd
import Detectors
import Kernels
import NeuralNetworks
import RandomStreams
import Sampling
import TemporalAnnotations
import TrainingMethods

extension WeakSupervisionMethod {
    /// A step of the student: the detector's losses on the batch's instances, and the loss of the recordings' classes.
    ///
    /// - Parameter groups: for each shard of this rank the recordings, and with MixUp their partners.
    func learn(_ step: TrainingStep, groups: [[PackedBatch]]) throws -> [[String: Double]] {
        let views = zip(step.shards.owned, groups).map { shard, groups in
            mixing.mixed(groups, at: StepPosition(step: step.step, shard: shard)).map { found in
                var batch = found.batch
                batch.classes = .known(batch.videos.map { store.index(of: $0.id).map(classes) ?? [] })
                return LearningView(batch, mixture: found.mixture, augment: { self.noisy($0, random: step.random("noise", shard: shard)) })
            }
        }
        guard settings.videoLossWeight > 0, let classifying = detector as? any PointClassifier else { return try step.learn(detector, views: views) }
        return try learn(classifying, step, groups: groups, views)
    }

    private func learn<D: PointClassifier>(
        _ detector: D, _ step: TrainingStep, groups: [[PackedBatch]], _ views: [[LearningView]]
    ) throws -> [[String: Double]] {
        let videos = step.shards.count * groups[0][0].features.count
        let loss = VideoClassLoss(
            ratio: settings.videoLossRatio, dropout: Float(settings.videoLossDropout), weight: Float(settings.videoLossWeight), videos: videos)
        var rules = LearningRules<D>()
        rules.further = { [self] shard, view, outputs, pass in
            let batch = views[shard][view].batch, mixes = views[shard][view].mixture?.mixes
            func sets(_ batch: PackedBatch) -> [[Int]] { batch.videos.map { store.index(of: $0.id).map(classes) ?? [] } }
            let targets = loss.targets(
                sets(batch), mixed: mixes.map { zip(sets(groups[shard][1]), $0).map { ($0, 1 - $1.weight) } }, classes: store.classes.count)
            let part = loss.seed(detector.classLogits(outputs), points: detector.points(batch.features), targets: targets, pass)
            return ["video": part, "total": settings.videoLossWeight * part]
        }
        return try step.learn(detector, views: views, rules)
    }

    /// Features and normal noise of a small deviation.
    private func noisy(_ x: PackedSequence, random: RandomStream) -> PackedSequence {
        guard settings.inputNoise > 0 else { return x }
        var random = random
        let y = Tensor(rows: x.rows, columns: x.columns, requiresGradient: false), deviation = Float(settings.inputNoise)
        for i in 0..<y.count { y.values[i] = x.tensor.values[i] + deviation * random.normal() }
        return x.with(y)
    }

    /// The student's predictions that labels are chosen from. Proposals without classes of their own take all that are known of their recording.
    func candidates(_ batch: PackedBatch) throws -> [[AssessedDetection]] {
        let found = try detector.labelCandidates(batch), source = configuration.model.classSource
        guard source == .file || source == .known else { return found }
        return zip(found, batch.videos).map { found, context in
            let known = store.index(of: context.id).map(classes) ?? []
            var scores = [Double](repeating: 0, count: store.classes.count)
            for label in known { scores[label] = 1 }
            return AssessedDetection.classified(found, scores: scores, topK: known.count)
        }
    }

    /// The step's batches with the averaged student's own predictions as labels.
    func distilled(_ step: TrainingStep) throws -> [[PackedBatch]] {
        try step.state.average.withAveragedWeights { try step.batches.map { try $0.groups.map(distilled) } }
    }

    private func distilled(_ batch: PackedBatch) throws -> PackedBatch {
        var batch = batch
        batch.instances = zip(try candidates(batch), batch.videos).enumerated().map { video, pair in
            let (found, context) = pair
            guard let recording = store.index(of: context.id) else { return [] }
            let rows = Float(batch.features.rows(of: video).count), half = Float(0.5 * context.grid.window / context.grid.stride)
            return choice(found, recording: recording).compactMap { place in
                // Cut to what the batch's rows see.
                let segment = found[place].gridSegment
                let cut = GridSegment(start: max(segment.start, -half), end: min(segment.end, rows - 1 + half))
                return cut.length > 0 ? GridInstance(segment: cut, label: found[place].detection.label) : nil
            }
        }
        return batch
    }
}

/// The loss of whole recordings' classes out of the finest level's logits: dropout, mean of the largest per class, sigmoid, cross-entropy against the
/// recording's classes; the mean over recordings and classes.
public struct VideoClassLoss {
    /// 1/ratio of the points, at least one.
    public var ratio: Int
    /// Probability of leaving a logit out, in training.
    public var dropout: Float
    /// Factor of the loss, 0 or more.
    public var weight: Float
    /// Of the global mini-batch.
    public var videos: Int

    /// `dropout` is a probability, `weight` the loss's factor; `videos` are those of the global mini-batch, which the mean is over.
    public init(ratio: Int, dropout: Float, weight: Float, videos: Int) {
        self.ratio = ratio
        self.dropout = dropout
        self.weight = weight
        self.videos = videos
    }

    /// What the loss is against.
    ///
    /// - Parameters:
    ///   - sets: per recording its classes.
    ///   - mixed: per recording the classes of the one mixed in, and its weight w: a class has w of each recording that has it; nil: none is.
    ///   - classes: number of classes.
    /// - Returns: [recordings, classes].
    public func targets(_ sets: [[Int]], mixed: [(set: [Int], weight: Float)]? = nil, classes: Int) -> [Float] {
        var targets = [Float](repeating: 0, count: sets.count * classes)
        for (video, set) in sets.enumerated() {
            for label in set { targets[video * classes + label] = 1 - (mixed?[video].weight ?? 0) }
            guard let mixed else { continue }
            for label in mixed[video].set { targets[video * classes + label] += mixed[video].weight }
        }
        return targets
    }

    /// - Parameters:
    ///   - logits: [points of all levels, classes].
    ///   - points: of all levels and recordings.
    ///   - targets: [recordings, classes], in [0, 1].
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    /// - Returns: this shard's share of the mean, without the weight.
    public func seed(_ logits: Tensor, points: PyramidPoints, targets: [Float], _ pass: ForwardPass) -> Double {
        let classes = logits.columns
        let finest = pass.tape.rowMeans(logits, groups: points.range(level: 0).map { [$0] })
        let kept = PackedSequence(NeuralNetworks.dropout(finest, probability: dropout, pass), offsets: points.offsets[0])
        let top = pass.tape.topMeans(kept, counts: (0..<kept.count).map { max(1, kept.rows(of: $0).count / ratio) })
        let scale = weight / Float(videos * classes)
        let loss = BinaryCrossEntropy.withLogits(
            top.values, targets, count: top.count, scale: scale, gradient: top.requiresGradient ? top.gradientToWrite().pointer : nil)
        return loss / Double(videos * classes)
    }
}
