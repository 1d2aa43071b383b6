import Autograd
import Checkpoints
import Collectives
import DataParallel
import Detectors
import Diagnostics
import FeatureStore
import Foundation
import Kernels
import NeuralNetworks
import RandomStreams
import Sampling
import TemporalAnnotations
import TrainingMethods

/// A training or inference step on recordings of random features: what `kairos benchmark step` measures.
package final class StepBenchmark {
    package enum Phase: String { case train, infer }

    /// A recording: how long, and where its actions are.
    package struct Recording {
        var id: VideoID
        package var rows: Int
        var grid: FeatureGrid
        var instances: [GridInstance]
        /// Seconds.
        var duration: Double { grid.seconds(atPosition: Double(rows)) }
    }

    package let parameters: Int
    /// Steps of a repetition; in each, the recordings of each virtual shard.
    private let steps: [[[Recording]]]
    private let configuration: RunConfiguration
    private let phase: Phase
    private let communicator: Communicator
    private let detector: any Detector
    private let state: TrainingState
    private let shards: VirtualShards
    private let reduction: GradientReduction
    private let dimension: Int
    /// Random features, from which every recording takes its first rows.
    private let features: [Float]

    /// - Parameter steps: steps of a repetition; in each, the recordings of each virtual shard.
    package init(
        _ configuration: RunConfiguration, phase: Phase, dimension: Int, classes: Int, steps: [[[Recording]]], communicator: Communicator
    ) throws {
        self.configuration = configuration
        self.phase = phase
        self.dimension = dimension
        self.steps = steps
        self.communicator = communicator
        let training = configuration.training
        detector = try configuration.detector(inputDimension: dimension, classes: classes)
        (detector as? any ProposalRefiner)?.makeUpProposals()
        try Self.requireMemory(
            configuration, detector, phase: phase, dimension: dimension, classes: classes, steps: steps, communicator: communicator)
        detector.initializeParameters(seed: UInt64(training.seed))
        shards = try VirtualShards(count: configuration.data.virtualShards, communicator: communicator)
        let arena = ParameterArena(detector)
        state = TrainingState(training, arena: arena, detector: detector)
        reduction = GradientReduction(arena: arena, communicator: communicator, shards: shards, options: training.reductionOptions)
        parameters = arena.learntCount
        let longest = steps.joined().joined().map(\.rows).max() ?? 0
        var random = RandomStream(seed: UInt64(training.seed), "benchmark step")
        features = (0..<longest * dimension).map { _ in random.uniform(-1, 1) }
    }

    /// Refuses sizes that this machine has no room for.
    private static func requireMemory(
        _ configuration: RunConfiguration, _ detector: any Detector, phase: Phase, dimension: Int, classes: Int, steps: [[[Recording]]],
        communicator: Communicator
    ) throws {
        let rows = steps.joined().joined().map(\.rows)
        func total(_ batch: [Recording]) -> Int { batch.reduce(0) { $0 + $1.rows } }
        let longest = steps.joined().max { total($0) < total($1) }
        let planner = try MemoryPlanner(
            configuration, detector: detector, dimension: dimension, classes: classes, rows: rows, communicator: communicator)
        try MemoryCheck.requireAlone(
            planner.benchmark(
                training: phase == .train ? [longest?.map(\.rows) ?? []] : nil, detecting: Array(rows.indices),
                features: MemoryEstimate.product(dimension, rows.max() ?? 0)))
    }

    /// Recordings that this rank takes part in, of one repetition.
    package var videos: Int { steps.reduce(0) { $0 + $1.reduce(0) { $0 + $1.count } } }

    /// Runs all steps once.
    package func repetition() throws {
        switch phase {
        case .train: for (number, step) in steps.enumerated() { try train(step, number) }
        case .infer: try infer()
        }
    }

    /// What `Trainer` does in a step.
    private func train(_ recordings: [[Recording]], _ number: Int) throws {
        let batches = shards.owned.map { (shard: $0, groups: [pack(recordings[$0])]) }
        let step = TrainingStep(
            step: number, stage: 0, seed: UInt64(configuration.training.seed), batches: batches, state: state, communicator: communicator,
            shards: shards, reduction: reduction, recomputes: configuration.training.recomputeMLP)
        try PreparedWeights.keeping { _ = try step.learn(detector, views: batches.map { [LearningView($0.groups[0])] }) }
        let norm = GradientNorm.norm(state.arena.gradients, count: state.arena.count)
        state.optimizer.update(
            learningRate: configuration.training.learningRate,
            gradientFactor: GradientNorm.clipFactor(norm: norm, maximum: configuration.training.clipGradientNorm), average: state.average)
    }

    /// What `Inference` does: one recording after another, with everything that follows the network. Weights are prepared once for all of them.
    private func infer() throws {
        try PreparedWeights.keeping {
            for shard in steps.flatMap({ step in shards.owned.map { step[$0] } }) {
                for recording in shard { _ = try detector.detect(pack([recording])) }
            }
        }
    }

    private func pack(_ recordings: [Recording]) -> PackedBatch {
        var offsets = [0]
        for recording in recordings { offsets.append(offsets[offsets.count - 1] + recording.rows) }
        let tensor = Tensor(rows: offsets[offsets.count - 1], columns: dimension, requiresGradient: false)
        features.withUnsafeBufferPointer { source in
            guard let source = source.baseAddress else { return }
            for (begin, recording) in zip(offsets, recordings) {
                (tensor.values + begin * dimension).update(from: source, count: recording.rows * dimension)
            }
        }
        return PackedBatch(
            features: PackedSequence(tensor, offsets: offsets),
            videos: recordings.map { VideoContext(id: $0.id, grid: $0.grid, duration: $0.duration) }, instances: recordings.map(\.instances))
    }
}

// MARK: Lengths

extension StepBenchmark {
    /// Recordings all of one length, with an action every 150 rows.
    package static func dense(rows: Int, classes: Int, steps: Int, _ data: DataConfiguration) -> [[[Recording]]] {
        let grid = FeatureGrid(fps: 30, stride: 4, window: 16)
        let instances = stride(from: 20, to: max(21, rows - 40), by: 150).enumerated().map { number, start in
            GridInstance(
                segment: GridSegment(start: Float(start), end: Float(min(rows, start + 5 << (number % 5)))), label: number % classes)
        }
        return (0..<steps).map { step in
            (0..<data.virtualShards).map { shard in
                (0..<data.batchSize / data.virtualShards).map { place in
                    Recording(id: VideoID("step \(step) shard \(shard) recording \(place)"), rows: rows, grid: grid, instances: instances)
                }
            }
        }
    }

    /// Recordings of an annotation file: in training those that the first steps of a run would see, cropped as there; in inference the first ones of
    /// the evaluation subset, whole.
    package static func annotated(
        _ set: AnnotationSet, phase: Phase, steps: Int, stride: Double, window: Double, _ configuration: RunConfiguration
    ) throws -> [[[Recording]]] {
        let data = configuration.data, seed = UInt64(configuration.training.seed)
        let plans = try SyntheticFeatures(annotations: set, dimension: 1, stride: stride, window: window, seed: 0).videos
        func recording(_ plan: VideoPlan) -> Recording {
            Recording(
                id: plan.annotation.id, rows: plan.rows, grid: plan.grid,
                instances: plan.annotation.instances.map { GridInstance(segment: plan.grid.gridSegment($0.segment), label: $0.label) })
        }
        guard phase == .train else {
            let subset = try set.subset(named: data.evaluationSubset ?? data.trainingSubset)
            let recordings = plans.filter { $0.annotation.subset == subset }.map(recording)
            return (0..<steps).map { step in
                (0..<data.virtualShards).map { shard in
                    (0..<data.batchSize / data.virtualShards).map { place in
                        recordings[(step * data.batchSize + shard * (data.batchSize / data.virtualShards) + place) % recordings.count]
                    }
                }
            }
        }
        let subset = try set.subset(named: data.trainingSubset)
        let training = plans.indices.filter { plans[$0].annotation.subset == subset }
        let sampler = try TrainingSampler(
            videos: training.map { ($0, plans[$0].rows) }, shardCount: data.virtualShards, batchSize: data.batchSize, seed: seed,
            window: data.balanceWindow, longest: data.maxRows)
        let cropping = Cropping(maximumRows: data.maxRows, keptPart: data.truncThresh, ratio: data.cropRatio)
        return (0..<steps).map { step in
            (0..<data.virtualShards).map { shard in
                var random = RandomStream(seed: seed, "crop", shard, step)
                return sampler.videos(step: step, shard: shard).map { index in
                    var result = recording(plans[index])
                    let crop = cropping.crop(
                        rows: result.rows, instances: result.instances, halfWindow: Float(0.5 * window / stride), random: &random)
                    (result.rows, result.instances) = (crop.rows.count, crop.instances)
                    return result
                }
            }
        }
    }
}
