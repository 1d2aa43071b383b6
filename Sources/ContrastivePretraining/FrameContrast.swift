import Autograd
import DataParallel
import Detectors
import RandomStreams
import TemporalAnnotations
import TrainingMethods

/// ACP's two contrasts of one step: frames of the step's recordings, their classes, the loss and its gradient.
package struct FrameContrast {
    package enum Classes {
        /// By clustering the frames' input features: two clusters per recording, so many over the mini-batch.
        case clusters(Int)
        /// By the instances that the frames lie in.
        case instances(background: Int)
    }

    /// Sampled frames, or proposals, of a shard's recordings of one group.
    package struct ShardFrames {
        let shard: Int
        let group: Int
        /// [frames, levels * channels], recording by recording; its gradient is what `seed` writes.
        package let embedding: PackedSequence
        /// [frames, columns].
        package let inputs: [Float]
        /// Of `inputs`.
        let columns: Int
        /// Per recording, the frames.
        package let frames: [[Int]]
        /// Per recording, the actions that are sure.
        let instances: [[GridInstance]]
        /// Per recording, stretches of which nothing is known, those of uncertain labels among them.
        let ignored: [[GridSegment]]
        /// Per recording, of proposals; nil: instances and ignored stretches say it.
        let classes: [[ContrastedRows.RowClass]]?

        package init(
            shard: Int, group: Int, embedding: PackedSequence, inputs: [Float], frames: [[Int]], instances: [[GridInstance]],
            ignored: [[GridSegment]]
        ) {
            self.shard = shard
            self.group = group
            self.embedding = embedding
            self.inputs = inputs
            columns = inputs.count / max(1, embedding.rows)
            self.frames = frames
            self.instances = instances
            self.ignored = ignored
            classes = nil
        }

        /// Proposals.
        ///
        /// - Parameters:
        ///   - rows: what is contrasted, and what is known of it.
        ///   - columns: of the features.
        ///   - shard: whose proposals they are.
        ///   - group: likewise.
        package init(_ rows: ContrastedRows, columns: Int, shard: Int, group: Int) {
            self.shard = shard
            self.group = group
            embedding = rows.embedding
            inputs = rows.inputs
            self.columns = columns
            frames = (0..<rows.embedding.count).map { Array(0..<rows.embedding.rows(of: $0).count) }
            instances = []
            ignored = []
            classes = rows.classes
        }

        /// Classes of a recording's frames, those in ignored stretches negative: they take no part.
        func labels(_ video: Int, background: Int) -> [Int] {
            if let classes {
                return classes[video].map { row in
                    switch row {
                    case .action(let label): label
                    case .background: background
                    case .unknown: -1
                    }
                }
            }
            return FrameSampling.labels(frames: frames[video], instances: instances[video], ignored: ignored[video], background: background)
        }
    }

    private let settings: ContrastConfiguration
    private let seed: UInt64
    private let step: Int
    private let shards: VirtualShards
    private let ranks: any RankExchange
    /// Whether k-means ends when no row changes its cluster.
    private let endsWhenSettled: Bool

    package init(_ settings: ContrastConfiguration, step: TrainingStep) {
        self.init(settings, seed: step.seed, step: step.step, shards: step.shards, ranks: step.communicator)
    }

    /// - Parameters:
    ///   - settings: of the contrast.
    ///   - seed: of the run.
    ///   - step: counted from 0 over the whole run.
    ///   - shards: of the run.
    ///   - ranks: each with its part of `shards`.
    ///   - endsWhenSettled: whether k-means ends when no row changes its cluster; false for measurements.
    package init(
        _ settings: ContrastConfiguration, seed: UInt64, step: Int, shards: VirtualShards, ranks: any RankExchange, endsWhenSettled: Bool = true
    ) {
        self.settings = settings
        self.seed = seed
        self.step = step
        self.shards = shards
        self.ranks = ranks
        self.endsWhenSettled = endsWhenSettled
    }

    /// Draws frames and records their multi-scale representation.
    package func sample(_ batch: PackedBatch, _ levels: [PackedSequence], shard: Int, group: Int, tape: Tape) -> ShardFrames {
        let columns = batch.features.columns
        var random = RandomStream(seed: seed, "frames", shard, step, group)
        var frames: [[Int]] = [], inputs: [Float] = []
        for video in 0..<batch.features.count {
            let rows = batch.features.rows(of: video)
            let chosen = FrameSampling.frames(rows: rows.count, parts: settings.frames, random: &random)
            for frame in chosen {
                inputs += UnsafeBufferPointer(start: batch.features.tensor.values + (rows.lowerBound + frame) * columns, count: columns)
            }
            frames.append(chosen)
        }
        let (instances, ignored) = FrameSampling.certain(batch.instances, weights: batch.weights)
        return ShardFrames(
            shard: shard, group: group, embedding: tape.multiScaleRows(levels, frames: frames), inputs: inputs, frames: frames,
            instances: instances, ignored: ignored)
    }

    /// Computes both losses over all ranks and seeds the gradient of `weight` times their sum.
    ///
    /// - Returns: per shard the losses without the weight; sums over all shards are the whole losses.
    package func seed(_ parts: [ShardFrames], classes: Classes, weight: Double) throws -> [(coarse: Double, fine: Double)] {
        var losses = parts.map { _ in (coarse: 0.0, fine: 0.0) }
        for part in parts where part.embedding.rows > 0 {
            let tensor = part.embedding.tensor, (gradient, add) = tensor.gradientToWrite()
            if !add { gradient.update(repeating: 0, count: tensor.count) }
        }
        if settings.coarse {
            let videos = Double(shards.count * (parts.first?.frames.count ?? 1))
            for (i, part) in parts.enumerated() {
                for video in part.frames.indices where !part.frames[video].isEmpty {
                    losses[i].coarse += coarse(part, video, classes, weight: weight / videos) / videos
                }
            }
        }
        if settings.fine { losses[0].fine = try fine(parts, classes, weight: weight) }
        return losses
    }

    /// Action against background within one recording.
    private func coarse(_ part: ShardFrames, _ video: Int, _ classes: Classes, weight: Double) -> Double {
        let rows = part.embedding.rows(of: video), width = part.embedding.columns
        let labels: [Int]
        switch classes {
        case .clusters:
            let columns = part.columns
            var random = RandomStream(seed: seed, "coarse", part.shard, step, part.group, video)
            labels = part.inputs.withUnsafeBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return [] }
                return KMeans(base + rows.lowerBound * columns, rows: rows.count, columns: columns, clusters: 2, random: &random).labels
            }
        case .instances(let background):
            labels = part.labels(video, background: background).map { $0 < 0 ? $0 : $0 == background ? 0 : 1 }
        }
        let tensor = part.embedding.tensor
        let loss = InfoNCE(
            tensor.values + rows.lowerBound * width, columns: width, labels: labels, anchors: 0..<rows.count,
            anchorCount: InfoNCE.anchorsWithPositives(labels), temperature: Float(settings.temperature))
        add(loss.gradient, to: tensor, at: rows.lowerBound * width, weight: Float(weight))
        return loss.loss
    }

    /// Classes against each other, over the frames of the global mini-batch. The whole loss.
    private func fine(_ parts: [ShardFrames], _ classes: Classes, weight: Double) throws -> Double {
        var drawing = RandomStream(seed: seed, "global frames", step, parts.first?.group ?? 0)
        let contrast = try GlobalContrast(
            parts.map(\.embedding.rows), most: settings.globalFrames, shards: shards, ranks: ranks, random: &drawing)
        // Of no recording there is a proposal.
        guard contrast.offsets[shards.count] > 0 else { return 0 }
        let labels: [[Int]]
        switch classes {
        case .clusters(let count):
            var random = RandomStream(seed: seed, "fine", step)
            labels = try contrast.cluster(
                parts.map(\.inputs), columns: parts[0].columns, clusters: count,
                endsWhenSettled: endsWhenSettled, random: &random)
        case .instances(let background):
            labels = parts.map { part in part.frames.indices.flatMap { part.labels($0, background: background) } }
        }
        let (loss, gradients) = try contrast.infoNCE(
            parts.map { $0.embedding.tensor.array }, columns: parts[0].embedding.columns, labels: labels,
            temperature: Float(settings.temperature))
        for (part, gradient) in zip(parts, gradients) where !gradient.isEmpty {
            add(gradient, to: part.embedding.tensor, at: 0, weight: Float(weight))
        }
        // Rank 0's first shard says it.
        return ranks.rank == 0 ? loss : 0
    }

    private func add(_ gradient: [Float], to tensor: Tensor, at place: Int, weight: Float) {
        let pointer = tensor.gradientToWrite().pointer + place
        for (i, value) in gradient.enumerated() { pointer[i] += weight * value }
    }
}
