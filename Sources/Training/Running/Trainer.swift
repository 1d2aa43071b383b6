import Autograd
import Collectives
import DataParallel
import Detectors
import Diagnostics
import FeatureStore
import Foundation
import NeuralNetworks
import RandomStreams

/// Trains a detector by a method: steps over virtual shards, log, checkpoints. Knows neither which detector nor which method.
///
/// A step: targets -> positives of all shards -> normaliser -> per shard forward and backward, sums on their way meanwhile -> clip, AdamW, average
/// -> log.
public final class Trainer {
    public let configuration: RunConfiguration
    public let state: TrainingState
    public let detector: any Detector
    let store: FeatureStore
    let method: any TrainingMethod
    let communicator: Communicator
    let shards: VirtualShards
    let checkpoints: CheckpointFolder
    let schedule: LearningRateSchedule
    private let folder: String
    private let reduction: GradientReduction
    private var lossNames: [String] = []
    /// Seconds spent waiting in collective calls outside the gradient reduction.
    private var waitedMPI = 0.0
    /// JSON of metrics, kept in checkpoints.
    public var metrics = ""
    /// Of the recordings whose labels are used, kept in checkpoints.
    var labeledDigest = ""

    /// Steps of the whole run.
    public let iterations: Int

    public init(
        configuration: RunConfiguration, store: FeatureStore, detector: any Detector, method: any TrainingMethod, communicator: Communicator,
        folder: String
    ) throws {
        self.configuration = configuration
        self.store = store
        self.detector = detector
        self.method = method
        self.communicator = communicator
        self.folder = folder
        let training = configuration.training
        shards = try VirtualShards(count: configuration.data.virtualShards, communicator: communicator)
        let arena = ParameterArena(detector)
        state = TrainingState(
            arena: arena, weightDecay: training.weightDecay, emaDecay: training.emaDecay, initialLossNormalizer: training.initialLossNorm)
        reduction = GradientReduction(arena: arena, communicator: communicator, shards: shards, bucketElements: training.bucketElements)
        checkpoints = CheckpointFolder(path: folder + "/checkpoints", keep: training.keep)
        schedule = configuration.learningRateSchedule(iterationsPerEpoch: method.iterationsPerEpoch)
        iterations = configuration.iterations(perEpoch: method.iterationsPerEpoch)
    }

    /// Goes on from a checkpoint.
    public func restore(_ checkpoint: Checkpoint) throws {
        try checkpoint.restore(into: state)
        try method.restore(checkpoint.header.methodState)
        metrics = checkpoint.header.metrics
    }

    private struct StepReport {
        var loss: [String: Double]
        var gradientNorm: Double
        var videos: Int
    }

    /// Trains to the end of the run or to step `stopAfter`, and leaves a checkpoint there.
    ///
    /// - Throws: `Failure` on all ranks: a loss that is no number (with step and recordings), features that cannot be read, a full disk.
    public func train(stopAfter: Int? = nil) throws {
        let last = min(iterations, stopAfter ?? iterations)
        let loader = BatchLoader(
            store: store, owned: shards.owned, steps: state.step..<max(last, state.step), ahead: configuration.data.prefetch,
            videosPerShard: configuration.data.batchSize / shards.count
        ) { [method] in method.videos(at: $0) }
        let log = try communicator.throwTogether {
            communicator.isRoot ? try RunLog(path: folder + "/log.jsonl", cutBackTo: state.step) : nil
        }
        let progress = ProgressBar("training", total: iterations, done: state.step, isSilent: !communicator.isRoot)
        var interval = Interval()
        while state.step < last {
            let waitedBefore = (data: loader.waitedSeconds, mpi: waitedMPI + reduction.waitedSeconds)
            let began = Self.now()
            try method.prepare(step: state.step)
            let rate = schedule.rate(at: state.step)
            let report = try step(loader, learningRate: rate)
            state.step += 1
            let data = loader.waitedSeconds - waitedBefore.data, mpi = waitedMPI + reduction.waitedSeconds - waitedBefore.mpi
            interval.add(report.loss, norm: report.gradientNorm, videos: report.videos, seconds: Self.now() - began, data: data, mpi: mpi)
            progress.update(state.step, detail: String(format: "loss %.4f", report.loss["total"] ?? .nan))
            if state.step % configuration.training.logEvery == 0 || state.step == last {
                let record = interval.record(
                    step: state.step, epoch: Double(state.step) / Double(method.iterationsPerEpoch), learningRate: rate,
                    normalizer: state.lossNormalizer)
                interval = Interval()
                try log?.append(record)
            }
            if state.step % configuration.training.checkpointEvery == 0 || state.step == last { try save() }
        }
        progress.finish(state.step)
    }

    // MARK: One step

    private func step(_ loader: BatchLoader, learningRate: Double) throws -> StepReport {
        let batches = try together { try loader.batches(step: state.step) }
        let targets = batches.map { method.targets($0.batch, at: StepPosition(step: state.step, shard: $0.shard)) }
        let positives = try timed { try communicator.allReduce(targets.reduce(0) { $0 + $1.positives.count }, .sum) }
        state.lossNormalizer = 0.9 * state.lossNormalizer + 0.1 * Double(max(positives, 1))

        var parts: [(shard: Int, loss: [String: Double])] = []
        reduction.beginStep()
        for ((shard, batch), targets) in zip(batches, targets) {
            let position = StepPosition(step: state.step, shard: shard)
            let tape = Tape()
            var random = RandomStream(seed: UInt64(configuration.training.seed), "forward", shard, state.step)
            reduction.beginShard(shard, tape: tape)
            parts.append(
                (shard, method.losses(batch, targets: targets, normalizer: Float(state.lossNormalizer), at: position, tape: tape, random: &random)))
            tape.backward()
            reduction.finishShard()
        }
        try reduction.finishStep()

        let loss = try totalLoss(parts)
        let norm = GradientNorm.norm(state.arena.gradients, count: state.arena.count)
        guard norm.isFinite else { throw diverged("the gradient's norm is \(norm)", shards: Array(0..<shards.count)) }
        state.optimizer.update(
            learningRate: learningRate, gradientFactor: GradientNorm.clipFactor(norm: norm, maximum: configuration.training.clipGradientNorm),
            average: state.average)
        return StepReport(loss: loss, gradientNorm: norm, videos: configuration.data.batchSize)
    }

    /// Sums the losses of all shards in their order: every shard has a place of its own, so the sum over ranks adds only zeros.
    private func totalLoss(_ parts: [(shard: Int, loss: [String: Double])]) throws -> [String: Double] {
        if lossNames.isEmpty { lossNames = parts[0].loss.keys.sorted() }
        let width = lossNames.count
        var table = [Double](repeating: 0, count: shards.count * width)
        for (shard, loss) in parts {
            for (i, name) in lossNames.enumerated() { table[shard * width + i] = loss[name] ?? .nan }
        }
        table = try timed { try communicator.allReduce(table, .sum) }
        let bad = (0..<shards.count).filter { shard in (0..<width).contains { !table[shard * width + $0].isFinite } }
        if let first = bad.first {
            let place = (0..<width).first { !table[first * width + $0].isFinite } ?? 0
            throw diverged("the \(lossNames[place]) loss is \(table[first * width + place])", shards: bad)
        }
        var result: [String: Double] = [:]
        for (i, name) in lossNames.enumerated() { result[name] = (0..<shards.count).reduce(0) { $0 + table[$1 * width + i] } }
        return result
    }

    private func diverged(_ what: String, shards: [Int]) -> Failure {
        let videos = shards.flatMap { method.videos(at: StepPosition(step: state.step, shard: $0)) }.map {
            Failure.Place.video(store.videos[$0.index].id.name)
        }
        return Failure(
            .failed, what, at: [.step(state.step + 1)] + videos.prefix(8),
            advice:
                "lower training.learning_rate, lengthen the warm-up, or check the features of these recordings; "
                + "the checkpoints of earlier steps are kept"
        )
    }

    // MARK: Checkpoints

    /// What a checkpoint of the present state says besides arrays.
    public var header: Checkpoint.Header {
        Checkpoint.Header(
            programVersion: ProgramVersion.current, step: state.step, optimizerStep: state.optimizer.step, seed: configuration.training.seed,
            lossNormalizer: state.lossNormalizer, configuration: configuration.canonicalYAML, configurationDigest: configuration.digest,
            storeDigest: store.digest, classes: store.classes.names, inputDimension: store.dimension, metrics: metrics,
            labeledDigest: labeledDigest, methodState: method.state)
    }

    /// Writes a checkpoint on rank 0 and removes the oldest.
    public func save() throws {
        try together {
            guard communicator.isRoot else { return }
            try Checkpoint.write(state, header: header, to: checkpoints.file(step: state.step))
            checkpoints.removeOld()
        }
    }

    // MARK: Waiting

    private func timed<Result>(_ body: () throws -> Result) rethrows -> Result {
        let began = Self.now()
        defer { waitedMPI += Self.now() - began }
        return try body()
    }

    /// An error of one rank becomes an error of all.
    private func together<Result>(_ body: () throws -> Result) throws -> Result {
        try communicator.throwTogether(body)
    }

    private static func now() -> Double { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 }
}

/// Sums between two lines of the log.
private struct Interval {
    private var steps = 0
    private var loss: [String: Double] = [:]
    private var norm = 0.0
    private var videos = 0
    private var seconds = 0.0, data = 0.0, mpi = 0.0

    mutating func add(_ loss: [String: Double], norm: Double, videos: Int, seconds: Double, data: Double, mpi: Double) {
        steps += 1
        self.loss.merge(loss) { $0 + $1 }
        self.norm += norm
        self.videos += videos
        self.seconds += seconds
        self.data += data
        self.mpi += mpi
    }

    func record(step: Int, epoch: Double, learningRate: Double, normalizer: Double) -> LogRecord {
        let count = Double(max(steps, 1))
        return LogRecord(
            step: step, epoch: epoch, loss: loss.mapValues { $0 / count }, learningRate: learningRate, gradientNorm: norm / count,
            lossNormalizer: normalizer, videosPerSecond: Double(videos) / max(seconds, 1e-9), secondsCompute: max(0, seconds - data - mpi),
            secondsWaitingData: data, secondsWaitingMPI: mpi)
    }
}

/// The version that checkpoints record and ranks compare.
public enum ProgramVersion {
    public static let current = "0.1.0"
}
