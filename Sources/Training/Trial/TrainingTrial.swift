import ActionDetection
import Autograd
import Collectives
import Detectors
import Diagnostics
import FeatureStore
import Foundation
import Kernels
import RunRecords
import Sampling
import TrainingMethods

/// A run that is made and checked as for training, of which a few steps are tried and nothing is kept: `train --check`, and the range test of
/// learning rates.
public final class TrainingTrial {
    /// A stage with what its steps cost.
    public struct StagePace: Equatable, Sendable {
        public var name: String
        public var iterations: Int
        /// On these ranks, the slowest one counts.
        public var secondsPerStep: Double
    }

    /// What a run is expected to take on these ranks.
    public struct Pace: Equatable, Sendable {
        public var stages: [StagePace]
        /// Of the detection at the end, at most: an untrained detector has as many candidates as it can have.
        public var secondsOfDetection: Double

        /// Steps of all stages.
        public var iterations: Int { stages.reduce(0) { $0 + $1.iterations } }
        /// Of all steps.
        public var secondsOfTraining: Double { stages.reduce(0) { $0 + Double($1.iterations) * $1.secondsPerStep } }
        /// The mean over all steps.
        public var secondsPerStep: Double { secondsOfTraining / Double(max(iterations, 1)) }
    }

    private let configuration: RunConfiguration
    private let communicator: Communicator
    private let prepared: PreparedRun
    /// Lines for the user about what would be trained; rank 0 prints them.
    public private(set) var notes: [String]
    /// The memory that each rank is expected to need, in bytes.
    public let memoryOfRanks: [Int]
    /// Steps measured of each stage, after one that is not: the first one makes buffers.
    private static let measuredSteps = 3

    /// Reads and checks what a run reads and checks before its first step, and writes nothing; all ranks together.
    ///
    /// - Throws: `Failure` on all ranks when store, configuration, recordings or memory do not allow the run.
    public init(
        _ configuration: RunConfiguration, communicator: Communicator, makeDetector: TrainingRun.MakeDetector = TrainingRun.makeDetector,
        makeMethod: TrainingRun.MakeMethod = TrainingRun.makeMethod
    ) throws {
        self.configuration = configuration
        self.communicator = communicator
        prepared = try PreparedRun(
            configuration, folder: RunFolder(""), communicator: communicator, timeline: false, observers: RunObservers([], isRoot: false),
            makeDetector: makeDetector, makeMethod: makeMethod)
        memoryOfRanks = try communicator.allGather(prepared.memory.total)
        notes = prepared.notes + prepared.warnings + prepared.notesOnEvaluation(configuration, isRoot: communicator.isRoot)
        notes.append(try ProductChoice.set(configuration.training, recorded: nil, communicator: communicator))
        try communicator.throwTogether { try prepared.trainer.prepareTrial() }
    }

    /// The memory that a rank of a run would need, computed without anything being allocated for it.
    ///
    /// - Throws: `Failure` when configuration and recordings do not allow the run.
    public static func memory(_ configuration: RunConfiguration, store: FeatureStore, communicator: Communicator) throws -> MemoryEstimate {
        let detector = try TrainingRun.makeDetector(configuration, store)
        let recordings = try PreparedRun.recordings(configuration, store)
        let method = try TrainingRun.makeMethod(configuration, store, detector, recordings)
        let evaluated = try EvaluatedRecordings.atTheEnd(configuration, store, readsAnnotations: false)
        return try MemoryPlanner(configuration, detector: detector, store: store, communicator: communicator)
            .run(method, evaluated: evaluated?.videos ?? [])
    }

    private var trainer: Trainer { prepared.trainer }

    /// Numbers that the detector learns.
    public var parameters: Int { trainer.state.arena.learntCount }
    /// Names and lengths of the stages, in their order.
    public var stages: [(name: String, iterations: Int)] { trainer.stages.map { ($0.name, $0.iterations) } }

    /// Reads the features of all recordings that the run trains on or is evaluated on, each on one rank.
    ///
    /// - Throws: `Failure.badInput` on all ranks for features that cannot be read, are NaN or infinite.
    public func readFeatures() throws {
        let training = try prepared.store.videos(inSubset: configuration.data.trainingSubset, key: "data.training_subset")
        let all = Set(training + (prepared.evaluated?.videos ?? [])).sorted()
        let own = Inference.own(all, of: prepared.store, communicator).map { all[$0] }
        try Inference.forEach(own, store: prepared.store, communicator: communicator, title: "reading the features") { _, _ in }
    }

    /// Measures a few steps of every stage, and the detection of a recording per rank.
    ///
    /// A stage that learns from labels of the stages before it is measured without any.
    ///
    /// - Throws: `Failure` on all ranks when features cannot be read or a loss is not a number; `.interrupted` after a signal.
    public func measure() throws -> Pace {
        let stages = try trainer.stages.indices.map { stage in
            var seconds = 0.0, rows = 0, number = 0
            try trainer.trial(stage: stage, steps: 1 + Self.measuredSteps) { step in
                // A stage of one step has nothing else to offer.
                if number > 0 || trainer.stages[stage].iterations == 1 { (seconds, rows) = (seconds + step.seconds, rows + step.rows) }
                number += 1
                return true
            }
            let mean = seconds / Double(max(rows, 1)) * trainer.meanRows(stage: stage)
            let slowest = try communicator.allReduce([mean], .max)[0]
            return StagePace(name: trainer.stages[stage].name, iterations: trainer.stages[stage].iterations, secondsPerStep: slowest)
        }
        return Pace(stages: stages, secondsOfDetection: try measureDetection())
    }

    /// Detects a recording of middle length per rank.
    private func measureDetection() throws -> Double {
        guard let videos = prepared.evaluated?.videos, !videos.isEmpty else { return 0 }
        let store = prepared.store, sorted = videos.sorted { (store.videos[$0].rows, $0) < (store.videos[$1].rows, $1) }
        let middle = sorted[sorted.count / 2], localizer = trainer.method.localizer(prepared.detector)
        BufferPool.shared.releaseFree()
        var seconds = 0.0
        try Inference.forEach([middle], store: store, communicator: communicator, title: "detecting one recording") { _, batch in
            let began = Trainer.now()
            _ = try localizer.detect(batch)
            seconds = Trainer.now() - began
        }
        let rows = videos.reduce(0) { $0 + store.videos[$1].rows }
        let slowest = try communicator.allReduce([seconds], .max)[0]
        let perRank = max(Double(rows) / Double(communicator.size), Double(store.videos[sorted[sorted.count - 1]].rows))
        return slowest * perRank / Double(max(store.videos[middle].rows, 1))
    }

    /// Trains the detector for some steps whose learning rate grows from step to step by one factor, until they are done or the loss has
    /// grown beyond `LearningRateRange.divergence` (Smith, "Cyclical learning rates for training neural networks", 2017: the range test).
    ///
    /// - Parameters:
    ///   - rates: the first and the last rate.
    ///   - steps: at least 2.
    /// - Returns: the losses, which depend on the configuration alone, not on ranks and threads.
    /// - Throws: `Failure` on all ranks: `.wrongUsage` when the method does not learn from segments; features that cannot be read.
    public func sweep(_ rates: ClosedRange<Double>, steps: Int) throws -> LearningRateRange {
        guard let stage = trainer.stages.firstIndex(where: { $0.name == configuration.method.mainStage && $0.trainsDetector }),
            type(of: configuration.method).needsSegments
        else {
            throw Failure.wrongUsage(
                "the range test needs a method that learns from segments, the method '\(configuration.methodName)' makes its labels in training",
                at: .key("--try"), advice: "leave --try out")
        }
        var range = LearningRateRange()
        let progress = ProgressBar("trying learning rates", total: steps, isSilent: !communicator.isRoot)
        do {
            try trainer.trial(stage: stage, steps: steps, rate: { LearningRateRange.rate($0, of: steps, in: rates) }) { step in
                range.add(rate: LearningRateRange.rate(range.points.count, of: steps, in: rates), loss: step.loss)
                progress.update(range.points.count, detail: String(format: "loss %.4f", step.loss))
                return !range.hasDiverged
            }
        } catch {
            // Found in sums over all ranks: all come here together.
            guard trainer.hasDiverged else { throw error }
            range.add(rate: LearningRateRange.rate(range.points.count, of: steps, in: rates), loss: .infinity)
        }
        progress.finish(range.points.count)
        return range
    }
}
