import ActionDetection
import Autograd
import Checkpoints
import Collectives
import DetectionMetrics
import Detectors
import Diagnostics
import FeatureStore
import Foundation
import NeuralNetworks
import RunRecords
import Sampling
import TemporalAnnotations
import TrainingMethods

/// A run from its configuration to its metrics: opens the store, checks that all ranks agree, trains or continues, detects, evaluates, writes `RUN/`.
public final class TrainingRun {
    public let configuration: RunConfiguration
    public let folder: RunFolder
    let communicator: Communicator
    let store: FeatureStore
    let detector: any Detector
    let trainer: Trainer
    private let observers: RunObservers
    /// Whether the observers know of the run's beginning and end.
    private var hasBegun = false, hasEnded = false
    /// Whether the run may be longer than its checkpoint says, and how it is.
    let extends: Bool
    var extended: ExtensionRecord?
    /// The stages of the method under another configuration of the run.
    let stagesOf: (RunConfiguration) throws -> [TrainingStage]
    /// The run's folder belongs to this job, from before anything in it is read until the run has ended.
    var lock: OutputLock?
    /// The recordings detected at the end; nil when the run is not evaluated.
    let evaluated: EvaluatedRecordings?
    /// The last detections of an evaluation while the run trained: steps done, positions in the store, and on rank 0 what was found.
    var lastDetected: (step: Int, videos: [Int], found: [(video: VideoID, detections: [Detection])]?)?
    /// Lines for the user about what was decided; rank 0 prints them.
    public internal(set) var notes: [String] = []

    /// What a run leaves behind.
    public struct Outcome: Sendable {
        /// Steps done, and of how many.
        public var step: Int
        public var iterations: Int
        /// Path of the newest checkpoint.
        public var checkpoint: String
        /// The checkpoint's digest.
        public var digest: String
        public var secondsTraining: Double
        /// Peak resident memory, rank by rank.
        public var peakMemoryMiB: [Int]
        /// nil when the run was stopped early or is not evaluated.
        public var evaluation: EvaluationResult?
        /// Of every rank, when the run was recorded.
        public var timeline: [Timeline.Summary]?
    }

    /// Makes the detector that the configuration names.
    public typealias MakeDetector = (_ configuration: RunConfiguration, _ store: FeatureStore, _ classWeights: [Float]?) throws -> any Detector
    /// Makes the method that the configuration names.
    public typealias MakeMethod = (RunConfiguration, FeatureStore, any Detector, TrainingRecordings) throws -> any TrainingMethod

    /// - Parameters:
    ///   - configuration: of the run.
    ///   - folder: where the run's files go; made when missing.
    ///   - resume: continue from the newest checkpoint there.
    ///   - extends: the configuration may be longer than that of the checkpoint.
    ///   - communicator: the ranks of the run.
    ///   - timeline: record what every rank does when, and write it to RUN/timeline.
    ///   - observers: are told what happens; those of rank 0 alone.
    ///   - makeDetector: for tests; the one that the configuration names otherwise.
    ///   - makeMethod: for tests; the one that the configuration names otherwise.
    /// - Throws: `Failure` on all ranks when store, configuration, recordings, memory or folder do not allow the run.
    public init(
        _ configuration: RunConfiguration, folder: String, resume: Bool, extends: Bool = false, communicator: Communicator, timeline: Bool = false,
        observers: [any RunObserver] = [],
        makeDetector: MakeDetector = TrainingRun.makeDetector, makeMethod: @escaping MakeMethod = TrainingRun.makeMethod
    ) throws {
        let folder = RunFolder(folder), observers = RunObservers(observers, isRoot: communicator.isRoot)
        self.configuration = configuration
        self.folder = folder
        self.observers = observers
        self.communicator = communicator
        let goesOn = try communicator.broadcast(resume && folder.checkpoints(keep: 1).newest != nil ? "on" : "") == "on"
        self.extends = extends
        try Self.requireCheckpoint(folder, extends: extends, goesOn: goesOn)
        let prepared = try PreparedRun(
            configuration, folder: folder, communicator: communicator, timeline: timeline, observers: observers, goesOn: goesOn,
            makeDetector: makeDetector, makeMethod: makeMethod)
        store = prepared.store
        detector = prepared.detector
        trainer = prepared.trainer
        evaluated = prepared.evaluated
        stagesOf = { [store, detector] other in
            try makeMethod(other, store, detector, try PreparedRun.recordings(configuration, store)).stages
        }
        notes = prepared.notes
        let warnings = try takeFolder()
        notes += prepared.warnings + warnings + prepared.notesOnEvaluation(configuration, isRoot: communicator.isRoot)
        try validate(on: prepared.validated)
        try goOn(resume: resume)
        if timeline { try startTimeline() }
    }

    /// The detector that the configuration names, shaped by it and the store.
    ///
    /// - Parameters:
    ///   - configuration: of the run.
    ///   - store: the feature store of the run.
    ///   - classWeights: factors of the classes in the classification loss, one for each (`RunConfiguration.classWeights`); nil: all 1.
    /// - Throws: `Failure.badInput` when the configuration and the store do not fit together.
    public static func makeDetector(
        _ configuration: RunConfiguration, _ store: FeatureStore, _ classWeights: [Float]? = nil
    ) throws -> any Detector {
        try configuration.detector(inputDimension: store.dimension, classes: store.classes.count, classWeights: classWeights)
    }

    /// The method that the configuration names.
    ///
    /// - Throws: `Failure` when the method cannot train the detector, or not on these recordings.
    public static func makeMethod(
        _ configuration: RunConfiguration, _ store: FeatureStore, _ detector: any Detector, _ recordings: TrainingRecordings
    ) throws -> any TrainingMethod {
        try configuration.method.make(configuration, store: store, detector: detector, recordings: recordings)
    }

    /// The recordings of the training subset, and those of them whose labels may be used.
    ///
    /// - Throws: `Failure` when the store has none to learn from, or not as the configuration says.
    public static func recordings(_ configuration: RunConfiguration, _ store: FeatureStore) throws -> TrainingRecordings {
        try PreparedRun.recordings(configuration, store)
    }

    // MARK: Running

    /// Trains, and when the end is reached detects and evaluates.
    ///
    /// - Throws: `Failure`, on all ranks where they share it; `.interrupted` when a signal came: the newest checkpoint keeps what was done.
    public func run(stopAfter: Int? = nil) throws -> Outcome {
        defer {
            Timeline.stop()
            lock?.release()
        }
        do {
            try communicator.agree(on: stopAfter.map { "\($0)" } ?? "no number", name: "--stop-after")
            return try finish(stopAfter: stopAfter)
        } catch {
            // What was recorded up to here may show why.
            try? writeTimeline()
            let failure = interrupted(error)
            let end = RunEnd(step: trainer.state.step, iterations: trainer.iterations, failure: "\(failure)")
            if hasBegun, !hasEnded { try? observers.tell { try $0.runEnds(end) } }
            throw failure
        }
    }

    private func interrupted(_ error: any Error) -> any Error {
        guard let failure = error as? Failure, failure.kind == .interrupted else { return error }
        let kept = trainer.checkpoints.newest
        let step = kept == nil ? "no step was done" : "the run is kept at step \(trainer.state.step) of \(trainer.iterations)"
        return Failure(
            .interrupted, "\(failure.what); \(step)", at: [.file(kept ?? folder.path)],
            advice: "start the same command with --resume; the number of ranks may be another that divides data.virtual_shards")
    }

    private func tellBeginning() throws {
        hasBegun = true
        let stages = zip(trainer.stages, trainer.stageSteps).map { RunStage(name: $0.name, steps: $1) }
        let start = RunStart(
            folder: folder, step: trainer.state.step, iterations: trainer.iterations, stages: stages, isExtended: extended != nil)
        try observers.tell { try $0.runBegins(start) }
        if let extended { try observers.tell { try $0.recorded(extended) } }
    }

    private func finish(stopAfter: Int?) throws -> Outcome {
        try communicator.throwTogether { try tellBeginning() }
        let began = DispatchTime.now().uptimeNanoseconds
        if trainer.state.step < trainer.iterations { try trainer.train(stopAfter: stopAfter) }
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - began) * 1e-9
        var evaluation: EvaluationResult?
        if trainer.hasEndedEarly { notes.append(earlyEnd) }
        if trainer.state.step >= trainer.iterations || trainer.hasEndedEarly, let evaluated { evaluation = try evaluate(evaluated) }
        let timeline = try finishTimeline()
        let memory = try communicator.allGather(ComputeThreads.peakResidentMiB)
        let path = trainer.checkpoints.file(step: trainer.state.step)
        let digest = try communicator.throwTogether {
            let digest = communicator.isRoot ? try Checkpoint(path: path).digest : ""
            hasEnded = true
            try observers.tell { try $0.runEnds(RunEnd(step: trainer.state.step, iterations: trainer.iterations)) }
            return digest
        }
        return Outcome(
            step: trainer.state.step, iterations: trainer.iterations, checkpoint: path, digest: digest, secondsTraining: seconds,
            peakMemoryMiB: memory,
            evaluation: evaluation, timeline: timeline)
    }

    /// On rank 0 the metrics, nil on the others.
    private func evaluate(_ evaluated: EvaluatedRecordings) throws -> EvaluationResult? {
        let truth = evaluated.truth
        let found = try detectionsAtTheEnd(on: evaluated)
        let result = try communicator.throwTogether { () throws -> EvaluationResult? in
            guard let found else { return nil }
            RunWindow.writingDetections.pass()
            try folder.write(predictions: found, classes: evaluated.classScores?.classes ?? store.classes)
            try tell(found, isAtEnd: true)
            guard truth.contains(where: { !$0.instances.isEmpty }) else { return nil }
            RunWindow.evaluating.pass()
            let result = self.result(found, on: evaluated)
            notes += evaluated.passedOver(evaluated.compared(found), classes: store.classes).map { "warning: \($0)" }
            RunWindow.writingMetrics.pass()
            try trainer.keep(metrics: try folder.write(metrics: result))
            try observers.tell { try $0.evaluated(result) }
            return result
        }
        if communicator.isRoot, result == nil {
            let known = truth.contains(where: \.isWeaklyLabelled) ? "weak labels only" : "no annotations"
            notes.append(
                "subset '\(evaluated.subset)' has \(known): metrics.json was not written; the detections are in '\(folder.predictions)'")
        }
        return result
    }

    /// In the order of the labels.
    public var classNames: [String] { store.classes.names }
}
