import ActionDetection
import Autograd
import Collectives
import DataParallel
import Detectors
import FeatureStore
import NeuralNetworks
import RandomStreams
import Training
import TrainingMethods

/// Trains the discriminator beside the detector: its own parameters, optimiser and sum of gradients, the features of all labelled instances at hand.
final class DiscriminatorTraining {
    let discriminator: InstanceDiscriminator
    let arena: ParameterArena
    let optimizer: AdamW
    private let settings: DiscriminatorConfiguration
    private let seed: UInt64
    private var reduction: GradientReduction?
    /// All labelled instances, recording by recording in the order of the store; the same on all ranks.
    private(set) var bank: InstanceSet
    /// By position of the recording in the store.
    private var instances: [Int: Range<Int>] = [:]
    /// Of these instances; nil: nobody has asked.
    private var found: LeftOutComparison?

    /// - Parameter columns: of the rows that features are pooled from.
    /// - Throws: `Failure` when the machine has no room for its parameters.
    init(_ settings: DiscriminatorConfiguration, columns: Int, seed: UInt64) throws {
        self.settings = settings
        self.seed = seed
        let columns = settings.columns(ofRows: columns)
        discriminator = InstanceDiscriminator(columns: columns, hidden: settings.hidden)
        try MemoryCheck.requireAlone(MemoryPlanner.parameters(discriminator, arrays: 4, keys: ["icd.hidden"], file: nil))
        discriminator.initializeParameters(seed: seed)
        arena = ParameterArena(discriminator)
        optimizer = AdamW(arena, weightDecay: settings.weightDecay)
        bank = InstanceSet(columns: columns, pooling: settings.pooling, hasLength: settings.length)
    }

    /// Before the first step, for features of the input, which stay as they are.
    func prepare(_ run: RunContext, labeled: [Int]) throws {
        guard reduction == nil else { return }
        reduction = GradientReduction(
            arena: arena, communicator: run.communicator, shards: run.shards, options: .init(bucketElements: arena.count))
        try gather(run, labeled: labeled) { $0.features }
    }

    /// At the beginning of a round, for features that the teacher has learnt: trains a new discriminator on them. Every rank takes the same steps.
    ///
    /// - Parameter rows: gives the rows of a recording that features are pooled from.
    func learn(_ run: RunContext, labeled: [Int], round: Int, rows: (PackedBatch) -> PackedSequence) throws {
        try gather(run, labeled: labeled, rows: rows)
        discriminator.train(on: bank, settings, arena, optimizer, seed: seed, purpose: "round \(round)")
    }

    /// What comparisons are worth on recordings that were not learnt; found once for the instances that are gathered.
    func leftOut() -> LeftOutComparison {
        if let found { return found }
        var recordings = [Int](repeating: 0, count: bank.count)
        for (video, range) in instances { for instance in range { recordings[instance] = video } }
        let comparison = LeftOutComparison(bank, recordings: recordings, settings, seed: seed)
        found = comparison
        return comparison
    }

    /// Gathers the labelled instances' features: each rank reads its part of the recordings.
    private func gather(_ run: RunContext, labeled: [Int], rows: (PackedBatch) -> PackedSequence) throws {
        let store = run.store, columns = bank.columns, videos = labeled.sorted()
        let own = Inference.own(videos, of: store, run.communicator).map { videos[$0] }
        var part = emptySet, places: [Int] = []
        try Inference.forEach(own, store: store, communicator: run.communicator, title: "reading labelled instances") { place, batch in
            guard !store.videos[own[place]].annotation.instances.isEmpty else { return }
            let rows = rows(batch)
            for instance in store.videos[own[place]].annotation.instances {
                let segment = store.videos[own[place]].grid.gridSegment(instance.segment)
                part.append(segment, label: instance.label, video: rows.tensor.values, rows: rows.rows)
                places.append(own[place])
            }
        }
        let features = try run.communicator.allGather(part.features), labels = try run.communicator.allGather(part.labels)
        let owners = try run.communicator.allGather(places)
        var found: [Int: (rank: Int, range: Range<Int>)] = [:]
        for (rank, list) in owners.enumerated() {
            for (i, video) in list.enumerated() { found[video] = (rank, (found[video]?.range.lowerBound ?? i)..<i + 1) }
        }
        var all: [Float] = [], classes: [Int] = []
        for video in videos {
            guard let (rank, range) = found[video] else { continue }
            instances[video] = classes.count..<classes.count + range.count
            all += features[rank][range.lowerBound * columns..<range.upperBound * columns]
            classes += labels[rank][range]
        }
        bank = InstanceSet(columns: columns, features: all, labels: classes, pooling: settings.pooling, hasLength: settings.length)
        self.found = nil
    }

    /// For instances that are compared with the labelled ones.
    var emptySet: InstanceSet { InstanceSet(columns: bank.columns, pooling: settings.pooling, hasLength: settings.length) }

    /// One step on the labelled instances of the mini-batch (Eq. 7, 8); all ranks together.
    ///
    /// - Parameter videos: the recordings of a shard.
    /// - Returns: the loss per owned shard; their sum over all shards is the mean over all pairs.
    func train(_ step: TrainingStep, videos: (Int) -> [Int]) throws -> [Double] {
        guard let reduction else { return step.batches.map { _ in 0 } }
        let pairs = step.shards.owned.map { shard in
            var random = step.random("pairs", shard: shard)
            let anchors = videos(shard).flatMap { instances[$0].map(Array.init) ?? [] }
            return InstancePairs.balanced(anchors: anchors, labels: bank.labels, perSide: settings.pairs, random: &random)
        }
        let count = try step.communicator.allReduce(pairs.reduce(0) { $0 + $1.count }, .sum)
        guard count > 0 else { return pairs.map { _ in 0 } }
        var losses: [Double] = []
        reduction.beginStep()
        for (shard, pairs) in zip(step.shards.owned, pairs) {
            let tape = Tape()
            reduction.beginShard(shard, tape: tape)
            losses.append(discriminator.loss(pairs, bank: bank, normalizer: Float(count), tape: tape))
            tape.backward()
            reduction.finishShard()
        }
        try reduction.finishStep()
        optimizer.update(learningRate: settings.learningRate)
        return losses
    }
}
