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
import RunRecords
import Sampling
import TrainingMethods

/// Trains a detector by a method: steps over virtual shards, checkpoints. Knows neither which detector nor which method, nor who observes the run.
///
/// A run is a list of stages, each with its own learning rates. A step: batches -> the method's losses and gradients, sums over shards on their way
/// meanwhile -> clip, AdamW, average -> observers.
public final class Trainer {
    public let configuration: RunConfiguration
    public let state: TrainingState
    public let detector: any Detector
    let store: FeatureStore
    let method: any TrainingMethod
    let communicator: Communicator
    let shards: VirtualShards
    let checkpoints: CheckpointFolder
    let stages: [TrainingStage]
    /// Steps of each stage.
    let stageSteps: [Range<Int>]
    private let folder: RunFolder
    /// Of rank 0 alone.
    let observers: RunObservers
    private let reduction: GradientReduction
    /// Seconds spent waiting in collective calls outside the gradient reduction.
    private var waitedMPI = 0.0
    /// JSON of the metrics known last, kept in checkpoints.
    public private(set) var metrics = ""
    /// Evaluates while the run trains; nil: nobody does.
    var validation: Validation?
    /// What that has found; kept in checkpoints.
    var validated = ValidationState()
    /// Of the recordings whose labels are used, kept in checkpoints.
    var labeledDigest = ""
    /// Parameters that are not trained.
    var frozen: [Parameter] = []
    /// Whether a loss or a gradient was not a number.
    private(set) var hasDiverged = false

    /// Steps of the whole run.
    public let iterations: Int

    /// Puts the detector and the method at step 0: parameters in one arena, drawn from the seed, with optimizer and average.
    ///
    /// All ranks call it together, with equal arguments but for `observers`, which rank 0 alone has.
    ///
    /// - Throws: `Failure` (`.wrongUsage`) when the virtual shards cannot be divided evenly among the ranks, and for patterns of `training.frozen` and
    ///   `training.learning_rate_factors` that fit no parameter.
    public init(
        configuration: RunConfiguration, store: FeatureStore, detector: any Detector, method: any TrainingMethod, communicator: Communicator,
        folder: RunFolder, observers: RunObservers
    ) throws {
        self.configuration = configuration
        self.store = store
        self.detector = detector
        self.method = method
        self.communicator = communicator
        self.folder = folder
        self.observers = observers
        let training = configuration.training
        shards = try VirtualShards(count: configuration.data.virtualShards, communicator: communicator)
        let arena = ParameterArena(detector)
        state = TrainingState(training, arena: arena, detector: detector)
        reduction = GradientReduction(arena: arena, communicator: communicator, shards: shards, options: training.reductionOptions)
        checkpoints = folder.checkpoints(keep: training.keep)
        stages = method.stages
        var steps: [Range<Int>] = []
        for stage in stages { steps.append((steps.last?.upperBound ?? 0)..<(steps.last?.upperBound ?? 0) + stage.iterations) }
        stageSteps = steps
        iterations = steps.last?.upperBound ?? 0
        try setFactors()
        if training.tuning.accumulate > 1, detector.assignsFromOutputs {
            throw Failure.wrongUsage(
                "accumulate is \(training.tuning.accumulate), but the detector's targets depend on the outputs for all recordings of a step",
                at: .key("training.accumulate"), advice: "set it to 1; more data.virtual_shards and ranks hold fewer recordings each")
        }
    }

    /// Continues from a checkpoint.
    ///
    /// - Throws: `Failure.badInput` when its parameters or the method's state are not those of this run.
    public func restore(_ checkpoint: Checkpoint) throws {
        try checkpoint.restore(into: state)
        try method.restore(checkpoint.header.methodState)
        validated = try ValidationState(checkpoint.header.methodState) ?? ValidationState()
        state.starting = try StartingWeights(checkpoint.header.methodState, state.arena)
        metrics = checkpoint.header.metrics
    }

    /// What a step says of itself.
    struct StepReport {
        var loss: [String: Double]
        var gradientNorm: Double
        var videos: Int
        /// Noted on some rank; the same on all.
        var signal: Interruption.Signal?
    }

    /// Trains to the end of the run or to step `stopAfter`, and leaves a checkpoint there.
    ///
    /// A signal that asks to end, on whichever rank, ends the training after the present step with a checkpoint.
    ///
    /// - Throws: `Failure` on all ranks: a loss that is not a number (with step and recordings), features that cannot be read, a full disk, weights
    ///   that differ between ranks; `.interrupted` after a signal.
    public func train(stopAfter: Int? = nil) throws {
        let last = min(iterations, stopAfter ?? iterations)
        let run = RunContext(
            store: store, communicator: communicator, shards: shards, state: state, folder: folder, observers: observers,
            prefetch: configuration.data.prefetch)
        try Activity.during(stage: "preparing") { try method.prepare(run) }
        for (stage, steps) in stageSteps.enumerated() where state.step < min(last, steps.upperBound) && !hasEndedEarly {
            Activity.begin(stage: stages[stage].name)
            try observers.tell { try $0.stageBegins(RunStage(name: stages[stage].name, steps: steps), step: state.step) }
            if state.step == steps.lowerBound {
                validated.since = 0
                try method.begin(stage: stage, run)
            }
            try train(stage, from: steps.lowerBound, to: min(last, steps.upperBound), run)
        }
        try endTraining()
    }

    private func endTraining() throws { try together { try observers.tell { try $0.trainingEnds(step: state.step) } } }

    /// Trains from the present step to step `end` of one stage. A checkpoint is left at the last step of the run and before it is stopped.
    private func train(_ stage: Int, from first: Int, to end: Int, _ run: RunContext) throws {
        let training = configuration.training
        let loader = loader(state.step..<end)
        var interval = Interval()
        var timelineBefore = Timeline.current?.summary ?? Timeline.Summary()
        while state.step < end, !hasEndedEarly {
            let waitedBefore = (data: loader.waitedSeconds, mpi: waitedMPI + reduction.waitedSeconds)
            let began = Self.now()
            Activity.begin(step: state.step + 1)
            RunWindow.step.pass()
            Timeline.current?.beginStep(state.step + 1)
            let rate = stages[stage].schedule.rate(at: stages[stage].firstIteration + state.step - first)
            let report = try step(loader, stage: stage, learningRate: rate)
            state.step += 1
            Timeline.current?.endStep()
            let data = loader.waitedSeconds - waitedBefore.data, mpi = waitedMPI + reduction.waitedSeconds - waitedBefore.mpi
            interval.add(report.loss, norm: report.gradientNorm, videos: report.videos, seconds: Self.now() - began, data: data, mpi: mpi)
            try observers.tell { try $0.stepEnds(StepEnd(step: state.step, loss: report.loss)) }
            if state.step == stageSteps[stage].upperBound { try method.end(stage: stage, run) }
            if isToBeValidated(stage: stage) { try validate(stage: stage) }
            let isLast = state.step == end || report.signal != nil || hasEndedEarly
            if state.step % training.logEvery == 0 || isLast {
                var record = interval.record(
                    step: state.step, epoch: Double(state.step) / Double(method.iterationsPerEpoch), learningRate: rate,
                    normalizer: state.lossNormalizer, stage: stages[stage].name)
                interval = Interval()
                if let timeline = Timeline.current {
                    let summary = timeline.summary.since(timelineBefore)
                    timelineBefore = timeline.summary
                    record.secondsTransfer = summary.secondsTransfer
                    record.communicationHidden = summary.hidden
                }
                try observers.tell { try $0.recorded(record) }
            }
            let isSaved = state.step % training.checkpointEvery == 0 || isLast
            if isToBeVerified(checkpoints: isSaved) { try timed { try verifyWeights() } }
            if isSaved { try save() }
            if let signal = report.signal {
                try endTraining()
                throw Interruption.failure(signal, "in \(stages[stage].name)")
            }
        }
    }

    // MARK: One step

    /// What reads and packs the recordings of these steps.
    func loader(_ steps: Range<Int>) -> BatchLoader {
        BatchLoader(
            store: store, owned: shards.owned, steps: steps, ahead: configuration.data.prefetch, rotation: configuration.training.rotation
        ) { [method] in method.videos(at: $0) }
    }

    /// One step: batches, the method's losses and gradients, their sums over shards, and the optimizer with this learning rate.
    func step(_ loader: BatchLoader, stage: Int, learningRate: Double) throws -> StepReport {
        let batches = try Timeline.during(.batches) { try together { try loader.batches(step: state.step) } }
        let step = TrainingStep(
            step: state.step, stage: stage, seed: UInt64(configuration.training.seed), batches: batches, state: state, communicator: communicator,
            shards: shards, reduction: reduction, recomputes: configuration.training.recomputeMLP, parts: configuration.training.tuning.accumulate)
        let losses = try PreparedWeights.keeping { try method.step(step) }
        waitedMPI += step.waitedSeconds
        let (loss, signal) = try totalLoss(zip(batches, losses).map { ($0.shard, $1) })
        let trainsDetector = stages[stage].trainsDetector
        let norm = try Timeline.during(.optimizer) {
            if trainsDetector { state.optimizer.clearFrozenGradients() }
            let norm = trainsDetector ? GradientNorm.norm(state.arena.gradients, count: state.arena.count) : step.gradientNorm ?? 0
            guard norm.isFinite else { throw diverged("the gradient's norm is \(norm)", shards: Array(0..<shards.count)) }
            if trainsDetector {
                state.optimizer.update(
                    learningRate: learningRate, gradientFactor: GradientNorm.clipFactor(norm: norm, maximum: configuration.training.clipGradientNorm),
                    average: state.average)
            }
            return norm
        }
        return StepReport(
            loss: loss, gradientNorm: norm, videos: shards.count * (batches.first?.groups.reduce(0) { $0 + $1.videos.count } ?? 0), signal: signal)
    }

    /// Sums the losses of all shards in their order: every shard has a place of its own, so the sum over ranks adds only zeros. Behind them go the
    /// ranks that have noted a signal, so that all know of it after the same step.
    private func totalLoss(_ parts: [(shard: Int, loss: [String: Double])]) throws -> ([String: Double], Interruption.Signal?) {
        let lossNames = parts[0].loss.keys.sorted()
        let width = lossNames.count
        var table = [Double](repeating: 0, count: shards.count * width)
        for (shard, loss) in parts {
            for (i, name) in lossNames.enumerated() { table[shard * width + i] = loss[name] ?? .nan }
        }
        let signals = Interruption.Signal.allCases, asked = Interruption.asked
        table += signals.map { $0 == asked ? 1 : 0 }
        table = try timed { try communicator.allReduce(table, .sum) }
        let bad = (0..<shards.count).filter { shard in (0..<width).contains { !table[shard * width + $0].isFinite } }
        if let first = bad.first {
            let place = (0..<width).first { !table[first * width + $0].isFinite } ?? 0
            throw diverged("the \(lossNames[place]) loss is \(table[first * width + place])", shards: bad)
        }
        var result: [String: Double] = [:]
        for (i, name) in lossNames.enumerated() { result[name] = (0..<shards.count).reduce(0) { $0 + table[$1 * width + i] } }
        return (result, zip(signals, table.suffix(signals.count)).first { $1 > 0 }?.0)
    }

    private func diverged(_ what: String, shards: [Int]) -> Failure {
        hasDiverged = true
        let videos = shards.flatMap { method.videos(at: StepPosition(step: state.step, shard: $0)).joined() }.map {
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

    /// Whether some step has trained the detector.
    private var isDetectorTrained: Bool { zip(stages, stageSteps).contains { $0.trainsDetector && $1.lowerBound < state.step } }

    /// The configuration as every checkpoint of the run says it.
    private lazy var recorded = (yaml: configuration.canonicalYAML, digest: configuration.digest)

    /// What a checkpoint of the present state says besides arrays.
    public var header: Checkpoint.Header {
        var methodState = method.state
        if !isDetectorTrained { methodState[Checkpoint.untrainedMark] = [1] }
        if let starting = state.starting { methodState.merge(starting.state(state.arena)) { $1 } }
        if validated.best >= 0 { methodState[ValidationState.key] = validated.bytes }
        return Checkpoint.Header(
            programVersion: ProgramVersion.current, programDigest: ProgramVersion.buildDigest, step: state.step, optimizerStep: state.optimizer.step,
            seed: configuration.training.seed, lossNormalizer: state.lossNormalizer, furtherNormalizers: state.furtherNormalizers,
            configuration: recorded.yaml, configurationDigest: recorded.digest, storeDigest: store.digest, classes: store.classes.names,
            inputDimension: store.dimension,
            featureRate: store.rate, metrics: metrics, labeledDigest: labeledDigest, gemm: ComputeContext.current.backend.rawValue,
            libraries: MatrixMultiply.libraries, methodState: methodState)
    }

    /// Writes a checkpoint on rank 0 and removes the oldest.
    ///
    /// - Throws: `Failure` (`.failed`) on all ranks when rank 0 cannot write it.
    public func save() throws {
        try together {
            guard communicator.isRoot else { return }
            RunWindow.writingCheckpoint.pass()
            try write()
            checkpoints.removeOld()
        }
    }

    /// Puts metrics into the checkpoint of the present step, whose digest stays. On rank 0; the others have none and wait for no one.
    ///
    /// - Throws: `Failure` (`.failed`) when the checkpoint cannot be written.
    public func keep(metrics: String) throws {
        guard communicator.isRoot, metrics != self.metrics else { return }
        self.metrics = metrics
        try write()
    }

    private func write() throws {
        let path = checkpoints.file(step: state.step)
        _ = try Activity.during(.writingFile) { try Checkpoint.write(state, header: header, to: path) }
        try observers.tell { try $0.checkpointSaved(path, step: state.step) }
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

    static func now() -> Double { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 }
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

    func record(step: Int, epoch: Double, learningRate: Double, normalizer: Double, stage: String) -> StepRecord {
        let count = Double(max(steps, 1))
        return StepRecord(
            step: step, epoch: epoch, stage: stage, time: RecordTime.now(), loss: loss.mapValues { $0 / count }, learningRate: learningRate,
            gradientNorm: norm / count, lossNormalizer: normalizer, videosPerSecond: Double(videos) / max(seconds, 1e-9),
            secondsCompute: max(0, seconds - data - mpi), secondsWaitingData: data, secondsWaitingMPI: mpi)
    }
}
