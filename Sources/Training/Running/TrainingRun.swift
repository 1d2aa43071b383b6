import Autograd
import Collectives
import DetectionMetrics
import Detectors
import Diagnostics
import FeatureStore
import Foundation
import NeuralNetworks
import RunRecords
import TemporalAnnotations

/// The recordings of the training subset, as positions in the store.
public struct TrainingRecordings: Equatable, Sendable {
    /// Those whose labels may be used, in the order of their choice.
    public var labeled: [Int]
    /// The others, in the store's order.
    public var unlabeled: [Int]
    public init(labeled: [Int], unlabeled: [Int]) {
        self.labeled = labeled
        self.unlabeled = unlabeled
    }
}

/// A run from its configuration to its metrics: opens the store, checks that all ranks agree, trains or goes on, detects, evaluates, writes `RUN/`.
public final class TrainingRun {
    public let configuration: RunConfiguration
    public let folder: RunFolder
    let communicator: Communicator
    private let store: FeatureStore
    private let detector: any Detector
    private let trainer: Trainer
    private let observers: RunObservers
    /// Whether the observers know of the run's beginning and end.
    private var hasBegun = false, hasEnded = false
    /// The run's folder belongs to this job, from before anything in it is read until the run has ended.
    private var lock: OutputLock?
    /// The recordings detected at the end; nil when the run is not evaluated.
    private let evaluated: EvaluatedRecordings?
    /// Lines for people about what was decided; rank 0 prints them.
    public private(set) var notes: [String] = []

    /// What a run leaves behind.
    public struct Outcome: Sendable {
        /// Steps done, and of how many.
        public var step: Int
        public var iterations: Int
        public var checkpoint: String
        /// The checkpoint's digest.
        public var digest: String
        public var secondsTraining: Double
        public var peakMemoryMiB: [Int]
        /// nil when the run was stopped early or is not evaluated.
        public var evaluation: EvaluationResult?
        /// Of every rank, when the run was recorded.
        public var timeline: [Timeline.Summary]?
    }

    /// Makes the detector that the configuration names.
    public typealias MakeDetector = (RunConfiguration, FeatureStore) throws -> any Detector
    /// Makes the method that the configuration names.
    public typealias MakeMethod = (RunConfiguration, FeatureStore, any Detector, TrainingRecordings) throws -> any TrainingMethod

    /// - Parameters:
    ///   - folder: where the run's files go; made when missing.
    ///   - resume: go on from the newest checkpoint there.
    ///   - timeline: record what every rank does when, and write it to RUN/timeline.
    ///   - observers: are told what happens; those of rank 0 alone.
    ///   - makeDetector: for tests; the one that the configuration names otherwise.
    ///   - makeMethod: for tests; the one that the configuration names otherwise.
    public init(
        _ configuration: RunConfiguration, folder: String, resume: Bool, communicator: Communicator, timeline: Bool = false,
        observers: [any RunObserver] = [],
        makeDetector: MakeDetector = TrainingRun.makeDetector, makeMethod: MakeMethod = TrainingRun.makeMethod
    ) throws {
        self.configuration = configuration
        let folder = RunFolder(folder), observers = RunObservers(observers, isRoot: communicator.isRoot)
        self.folder = folder
        self.observers = observers
        self.communicator = communicator
        try communicator.agree(on: timeline ? "on" : "off", name: "--timeline")
        try communicator.agree(on: configuration.digest, name: "the configuration's digest")
        var warnings: [String] = []
        if Set(try communicator.allGather(Processor.present.joined(separator: " "))).count > 1 {
            warnings.append("warning: the ranks run on processors of several kinds: bits may depend on which rank computes what")
        }
        let store = try communicator.throwTogether {
            RunWindow.openingStore.pass()
            return try FeatureStore(path: configuration.data.store)
        }
        self.store = store
        try communicator.agree(on: store.digest, name: "the feature store's digest")
        _ = try ComputeThreads.set(configuration.training.threads, communicator: communicator)
        let placement = RankPlacement.lines(try ComputeThreads.placements(communicator))
        warnings += placement.dropFirst()

        // Every rank reads the same files and comes to the same verdict, but one may fail to read them.
        let (made, method, recordings) = try communicator.throwTogether {
            RunWindow.building.pass()
            let detector = try makeDetector(configuration, store)
            try MemoryCheck.requireAlone(MemoryPlanner.parameters(detector, arrays: 5, keys: configuration.model.sizeKeys, file: nil))
            detector.initializeParameters(seed: UInt64(configuration.training.seed))
            let recordings = try Self.recordings(configuration, store)
            let method = try makeMethod(configuration, store, detector, recordings)
            return (detector, method, recordings)
        }
        evaluated = try communicator.throwTogether {
            try EvaluatedRecordings(configuration, store, readsAnnotations: communicator.isRoot)
        }
        detector = made
        let planner = try communicator.throwTogether { try MemoryPlanner(configuration, detector: made, store: store, communicator: communicator) }
        warnings += try MemoryCheck.require(planner.run(method, evaluated: evaluated?.videos ?? []), communicator: communicator)
        (trainer, notes) = try communicator.throwTogether {
            let trainer = try Trainer(
                configuration: configuration, store: store, detector: made, method: method, communicator: communicator, folder: folder,
                observers: observers)
            let rows = recordings.labeled.reduce(0) { $0 + store.videos[$1].rows }
            let note =
                "\(recordings.labeled.count) labelled recordings (\(rows) rows), \(configuration.data.virtualShards) virtual shards, "
                + "\(communicator.size) rank\(communicator.size == 1 ? "" : "s"), \(trainer.state.arena.learntCount) parameters"
            trainer.labeledDigest = LabeledSubset.digest(recordings.labeled.map { store.videos[$0].id.name })
            let review = RunReview(
                configuration: configuration, store: store, recordings: recordings, stages: trainer.stages,
                iterationsPerEpoch: method.iterationsPerEpoch)
            return (trainer, [note, placement[0]] + review.lines + (try method.review()))
        }
        try communicator.throwTogether {
            if communicator.isRoot { try makeFolders() }
        }
        let lock = try communicator.lock(.folder(folder.path, names: RunFolder.names))
        self.lock = lock
        warnings += lock.warning.map { [$0] } ?? []
        try communicator.barrier()
        notes += warnings + RateComparison.warnings(configuration, evaluated: evaluated?.videos ?? [], store)
        if communicator.isRoot { notes += (evaluated?.notes ?? []).map { "warning: \($0)" } }
        let (going, damaged) = try Activity.during(stage: "reading a checkpoint") {
            try communicator.throwTogether {
                RunWindow.readingCheckpoint.pass()
                return try begin(resume: resume)
            }
        }
        notes.append(try ProductChoice.set(configuration.training, recorded: going?.header.recordedGemm, communicator: communicator))
        if let going {
            notes.append("going on from step \(trainer.state.step) of \(trainer.iterations)")
            if let note = going.header.otherBuildNote { notes.append(note) }
        } else if resume {
            notes.append("no checkpoint in '\(trainer.checkpoints.path)': starting afresh")
        }
        try communicator.agree(on: "step \(trainer.state.step)", name: "the step to go on from")
        if communicator.isRoot { setAside(damaged) }
        try communicator.throwTogether {
            guard communicator.isRoot else { return }
            lock.sweep(folder.subfolders)
            if !resume { trainer.checkpoints.removeAll(after: -1) }
            try folder.write(configuration: configuration.canonicalYAML)
        }
        if timeline { try startTimeline() }
    }

    /// The detector that the configuration names, shaped by it and the store.
    public static func makeDetector(_ configuration: RunConfiguration, _ store: FeatureStore) throws -> any Detector {
        try configuration.detector(inputDimension: store.dimension, classes: store.classes.count)
    }

    private func makeFolders() throws {
        try Self.makeFolder(folder.path)
        try Self.makeFolder(folder.checkpoints)
        try requireWritablePlace(of: folder.configuration)
    }

    /// Makes a folder and those above it.
    static func makeFolder(_ path: String) throws {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue { return }
        let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
        if parent != path, !FileManager.default.fileExists(atPath: parent) { try makeFolder(parent) }
        guard mkdir(path, 0o777) == 0 else {
            let code = errno, reason = String(cString: strerror(code))
            // Another rank was faster.
            if code == EEXIST, FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue { return }
            throw Failure.failed(
                "the folder cannot be made: \(reason)", at: .file(path), advice: "choose another --output or change the permissions above it")
        }
    }

    /// The method that the configuration names.
    public static func makeMethod(
        _ configuration: RunConfiguration, _ store: FeatureStore, _ detector: any Detector, _ recordings: TrainingRecordings
    ) throws -> any TrainingMethod {
        try configuration.method.make(configuration, store: store, detector: detector, recordings: recordings)
    }

    private static func recordings(_ configuration: RunConfiguration, _ store: FeatureStore) throws -> TrainingRecordings {
        guard store.classes.count > 0, store.dimension > 0 else {
            throw Failure.badInput(
                "there is nothing to learn: the store has \(store.classes.count) classes and \(store.dimension) columns", at: .file(store.path),
                advice: "make it from annotations with actions, and from features")
        }
        let data = configuration.data
        let training = try Self.videos(in: data.trainingSubset, key: "data.training_subset", store)
        let order = try data.labeledOrder.map(LabeledSubset.readOrder)
        let chosen = try LabeledSubset.choose(
            training.map { store.videos[$0].id.name }, fraction: data.labeledFraction, order: order, seed: UInt64(configuration.training.seed),
            file: data.labeledOrder ?? "")
        try WeakLabelCheck.check(chosen.map { training[$0] }, configuration, store)
        guard chosen.contains(where: { !store.videos[training[$0]].annotation.knownClasses.isEmpty }) else {
            throw Failure.badInput(
                "none of the \(chosen.count) labelled recordings has an action", at: .file(store.path), .key("data.labeled_fraction"),
                advice: "label more recordings, or choose another data.training_subset")
        }
        let isLabeled = Set(chosen)
        return TrainingRecordings(
            labeled: chosen.map { training[$0] }, unlabeled: training.indices.filter { !isLabeled.contains($0) }.map { training[$0] })
    }

    /// Positions of a subset's recordings; the subset's name may differ in case.
    public static func videos(in name: String, key: String, _ store: FeatureStore) throws -> [Int] {
        let set = AnnotationSet(version: "", classes: store.classes, videos: store.videos.map(\.annotation))
        var subset: Subset
        do {
            subset = try set.subset(named: name)
        } catch var failure as Failure {
            failure.places = [.file(store.path), .key(key)]
            throw failure
        }
        return store.videos.indices.filter { store.videos[$0].annotation.subset == subset }
    }

    // MARK: Beginning

    /// Goes on from the newest checkpoint that reads whole.
    ///
    /// - Returns: that checkpoint, nil for a run that begins; the newer ones that do not read whole, with what is wrong.
    private func begin(resume: Bool) throws -> (Checkpoint?, damaged: [(step: Int, failure: Failure)]) {
        let checkpoints = trainer.checkpoints
        guard let newest = checkpoints.steps.last else { return (nil, []) }
        guard resume else {
            throw Failure.wrongUsage(
                "the folder holds checkpoints of a run, the newest at step \(newest)", at: .file(folder.path),
                advice: "add --resume to go on with it, or choose another --output")
        }
        var damaged: [(step: Int, failure: Failure)] = []
        for step in checkpoints.steps.reversed() {
            let checkpoint: Checkpoint
            do {
                checkpoint = try Checkpoint(path: checkpoints.file(step: step))
            } catch let failure as Failure {
                damaged.append((step, failure))
                continue
            }
            try requireSameRun(checkpoint)
            try trainer.restore(checkpoint)
            return (checkpoint, damaged)
        }
        throw damaged[0].failure
    }

    private func setAside(_ damaged: [(step: Int, failure: Failure)]) {
        for (step, failure) in damaged {
            let place = trainer.checkpoints.setAside(step: step).map { ", now '\($0)'" } ?? ""
            notes.append("warning: passed over the checkpoint '\(trainer.checkpoints.file(step: step))'\(place): \(failure.what)")
        }
    }

    /// Keys that may change between a run and its continuation: they change no bit of the result. `training.gemm` is compared with what the run used.
    private static let freeKeys = RunConfiguration.keysWithoutConsequence.union([
        "data.annotations", "data.labeled_order", "data.evaluation_subset", "training.evaluate_weights", "training.gemm",
    ])

    /// What is detected may decide what is learnt; otherwise the run detects at its end alone.
    private func isFree(_ key: String) -> Bool {
        if key.hasPrefix("test.") { return !type(of: configuration.method).learnsFromDetections || key == "test.tiou_thresholds" }
        return Self.freeKeys.contains(key)
    }

    private func requireSameRun(_ checkpoint: Checkpoint) throws {
        let header = checkpoint.header
        guard header.storeDigest == store.digest else {
            throw Failure.badInput(
                "the run was trained on another feature store: digest \(header.storeDigest.prefix(12))..., "
                    + "this one has \(store.digest.prefix(12))...",
                at: .file(checkpoint.path), .file(store.path), advice: "resume with the store of the run")
        }
        try checkpoint.requireClassesAndRate(of: store)
        if let wanted = ProductChoice.named(configuration.training), let used = header.recordedGemm, wanted != used {
            throw Failure.wrongUsage(
                "the run multiplies with \(used.rawValue), but training.gemm is now \(wanted.rawValue)", at: .file(checkpoint.path),
                .key("training.gemm"), advice: "set it to \(used.rawValue) or auto, or choose another --output")
        }
        let before = try RunConfiguration(yaml: header.configuration, file: checkpoint.path, registry: configuration.registry)
        for (old, new) in zip(before.lines, configuration.lines) where old != new && !isFree(new.key) {
            throw Failure.wrongUsage(
                "the run was begun with \(old.key) = \(old.value), now it is \(new.value)", at: .file(checkpoint.path), .key(new.key),
                advice: "resume with the configuration of the run (\(folder.configuration)), or choose another --output")
        }
        // The digest tells more than the list's path; imported weights have none.
        guard header.labeledDigest.isEmpty || header.labeledDigest == trainer.labeledDigest else {
            throw Failure.wrongUsage(
                "the run was begun with other labelled recordings: the digest of their names is \(header.labeledDigest.prefix(12))..., "
                    + "now it is \(trainer.labeledDigest.prefix(12))...",
                at: .file(checkpoint.path), .key("data.labeled_order"),
                advice: "resume with the run's list of labelled recordings, or choose another --output")
        }
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
        let start = RunStart(folder: folder, step: trainer.state.step, iterations: trainer.iterations, stages: stages)
        try observers.tell { try $0.runBegins(start) }
    }

    private func finish(stopAfter: Int?) throws -> Outcome {
        try communicator.throwTogether { try tellBeginning() }
        let began = DispatchTime.now().uptimeNanoseconds
        if trainer.state.step < trainer.iterations { try trainer.train(stopAfter: stopAfter) }
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - began) * 1e-9
        var evaluation: EvaluationResult?
        if trainer.state.step >= trainer.iterations, let evaluated { evaluation = try evaluate(evaluated) }
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
        let videos = evaluated.videos, truth = evaluated.truth
        // Buffers of the training's sizes would lie beside those of whole recordings.
        BufferPool.shared.releaseFree()
        func detect() throws -> [(video: VideoID, detections: [Detection])]? {
            try Inference.detect(trainer.method.localizer(detector), store: store, videos: videos, communicator: communicator)
        }
        let found = configuration.training.evaluateWeights == .ema ? try trainer.state.average.withAveragedWeights(detect) : try detect()
        let result = try communicator.throwTogether { () throws -> EvaluationResult? in
            guard let found else { return nil }
            RunWindow.writingDetections.pass()
            try folder.write(predictions: found, classes: store.classes)
            guard truth.contains(where: { !$0.instances.isEmpty }) else { return nil }
            RunWindow.evaluating.pass()
            let evaluation = Evaluation(videos: truth, classes: store.classes, thresholds: configuration.test.tiouThresholds)
            let result = evaluation.evaluate(found.flatMap(\.detections))
            notes += evaluated.passedOver(found.flatMap(\.detections), classes: store.classes).map { "warning: \($0)" }
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

    public var classNames: [String] { store.classes.names }
}
