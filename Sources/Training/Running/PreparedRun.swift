import Checkpoints
import Collectives
import Detectors
import Diagnostics
import FeatureStore
import Foundation
import NeuralNetworks
import RunRecords
import Sampling
import TemporalAnnotations
import TrainingMethods
import TrainingReview

/// A run as it is before its first step: everything read, checked and made, nothing written.
struct PreparedRun {
    var store: FeatureStore
    var detector: any Detector
    var trainer: Trainer
    /// The recordings detected at the end; nil when the run is not evaluated.
    var evaluated: EvaluatedRecordings?
    /// The recordings of the evaluations while the run trains; nil when there are none.
    var validated: EvaluatedRecordings?
    /// This rank's.
    var memory: MemoryEstimate
    /// Lines for the user: what is trained and where, then what the review found.
    var notes: [String]
    /// Lines for the user that come last.
    var warnings: [String]

    /// All ranks call it together.
    ///
    /// - Parameter goesOn: whether a checkpoint holds the weights to go on with.
    /// - Throws: `Failure` on all ranks when store, configuration, recordings or memory do not allow the run.
    init(
        _ configuration: RunConfiguration, folder: RunFolder, communicator: Communicator, timeline: Bool, observers: RunObservers,
        goesOn: Bool = false,
        makeDetector: TrainingRun.MakeDetector, makeMethod: TrainingRun.MakeMethod
    ) throws {
        warnings = try Self.agree(on: configuration, timeline: timeline, communicator)
        let store = try Self.openStore(configuration, communicator)
        self.store = store
        _ = try ComputeThreads.set(configuration.training.threads, communicator: communicator)
        let placement = RankPlacement.lines(try ComputeThreads.placements(communicator))
        warnings += placement.dropFirst()
        // Every rank reads the same files and comes to the same verdict, but one may fail to read them.
        let (detector, method, recordings, weights) = try communicator.throwTogether {
            try Self.build(configuration, store, makeDetector, makeMethod)
        }
        self.detector = detector
        let evaluated = try communicator.throwTogether {
            try EvaluatedRecordings.atTheEnd(configuration, store, readsAnnotations: communicator.isRoot)
        }
        self.evaluated = evaluated
        let validated = try communicator.throwTogether {
            try EvaluatedRecordings.whileTraining(configuration, store, evaluated: evaluated, readsAnnotations: communicator.isRoot)
        }
        self.validated = validated
        try communicator.throwTogether {
            try Self.giveProposals(
                to: detector, store, labeled: Self.learntFrom(recordings, configuration),
                detected: (evaluated?.videos ?? []) + (validated?.videos ?? []))
        }
        if let refiner = detector as? any ProposalRefiner { try communicator.agree(on: refiner.proposalDigest, name: "the proposals' digest") }
        let planner = try communicator.throwTogether {
            try MemoryPlanner(configuration, detector: detector, store: store, communicator: communicator)
        }
        memory = planner.run(method, evaluated: (evaluated?.videos ?? []) + (validated?.videos ?? []))
        warnings += try MemoryCheck.require(memory, communicator: communicator)
        (trainer, notes) = try communicator.throwTogether {
            let trainer = try Trainer(
                configuration: configuration, store: store, detector: detector, method: method, communicator: communicator, folder: folder,
                observers: observers)
            trainer.labeledDigest = LabeledSubset.digest(recordings.labeled.map { store.videos[$0].id.name })
            return (
                trainer,
                [Self.summary(trainer, recordings), placement[0], trainer.tuningNote, Self.note(onClassWeights: weights, store)]
                    .compactMap { $0 }
                    + (try Self.review(trainer, recordings))
            )
        }
        if !goesOn { notes += try trainer.takeInitialWeights() }
    }

    /// Lines for the user on the rates of what is trained on and evaluated, and on the annotations that are compared with.
    func notesOnEvaluation(_ configuration: RunConfiguration, isRoot: Bool) -> [String] {
        RateComparison.warnings(configuration, evaluated: evaluated?.videos ?? [], store)
            + (isRoot ? (evaluated?.notes ?? []).map { "warning: \($0)" } : [])
    }

    // MARK: Steps

    /// Checks that all ranks were started alike; returns a warning where their processors differ.
    private static func agree(on configuration: RunConfiguration, timeline: Bool, _ communicator: Communicator) throws -> [String] {
        try communicator.agree(on: timeline ? "on" : "off", name: "--timeline")
        try communicator.agree(on: configuration.digest, name: "the configuration's digest")
        guard Set(try communicator.allGather(Processor.present.joined(separator: " "))).count > 1 else { return [] }
        return ["warning: the ranks run on processors of several kinds: bits may depend on which rank computes what"]
    }

    private static func openStore(_ configuration: RunConfiguration, _ communicator: Communicator) throws -> FeatureStore {
        let store = try communicator.throwTogether {
            RunWindow.openingStore.pass()
            let store = try FeatureStore(path: configuration.data.store)
            return configuration.data.classAgnostic ? store.withOneClass : store
        }
        try communicator.agree(on: store.digest, name: "the feature store's digest")
        return store
    }

    private static func build(
        _ configuration: RunConfiguration, _ store: FeatureStore, _ makeDetector: TrainingRun.MakeDetector,
        _ makeMethod: TrainingRun.MakeMethod
    ) throws -> (any Detector, any TrainingMethod, TrainingRecordings, classWeights: [Float]?) {
        RunWindow.building.pass()
        let recordings = try recordings(configuration, store)
        let weights = try configuration.classWeights(store, labeled: learntFrom(recordings, configuration))
        let detector = try makeDetector(configuration, store, weights)
        try MemoryCheck.requireAlone(MemoryPlanner.parameters(detector, arrays: 5, keys: configuration.model.sizeKeys, file: nil))
        detector.initializeParameters(seed: UInt64(configuration.training.seed))
        return (detector, try makeMethod(configuration, store, detector, recordings), recordings, weights)
    }

    /// The labelled recordings without those that the method judges itself by.
    private static func learntFrom(_ recordings: TrainingRecordings, _ configuration: RunConfiguration) -> [Int] {
        recordings.labeled.dropLast(configuration.method.heldOutCount(labeled: recordings.labeled.count))
    }

    /// Lets a detector that refines proposals look at those of all recordings.
    private static func giveProposals(to detector: any Detector, _ store: FeatureStore, labeled: [Int], detected: [Int]) throws {
        guard let refiner = detector as? any ProposalRefiner else { return }
        try refiner.requireProposals(of: detected.map { store.videos[$0].context })
        try refiner.prepare(
            labeled: labeled.map { LabelledRecording(context: store.videos[$0].context, instances: store.videos[$0].annotation.instances) })
    }

    /// What is trained, on how many ranks, in one line for the user.
    private static func summary(_ trainer: Trainer, _ recordings: TrainingRecordings) -> String {
        let rows = recordings.labeled.reduce(0) { $0 + trainer.store.videos[$1].rows }, ranks = trainer.communicator.size
        return "\(recordings.labeled.count) labelled recordings (\(rows) rows), \(trainer.shards.count) virtual shards, "
            + "\(ranks) rank\(ranks == 1 ? "" : "s"), \(trainer.state.arena.learntCount) parameters"
    }

    /// How much the classes count, in one line for the user; nil: all alike.
    private static func note(onClassWeights weights: [Float]?, _ store: FeatureStore) -> String? {
        guard let weights else { return nil }
        return "class weights: "
            + ClassMatch.listed(Array(zip(store.classes.names, weights))) { "'\($0.0)' \(String(format: "%.3g", Double($0.1)))" }
    }

    /// Looks for mistakes before the first step.
    private static func review(_ trainer: Trainer, _ recordings: TrainingRecordings) throws -> [String] {
        let review = RunReview(
            configuration: trainer.configuration, store: trainer.store, recordings: recordings, stages: trainer.stages,
            iterationsPerEpoch: trainer.method.iterationsPerEpoch)
        return review.lines + (try trainer.method.review())
    }

    /// The recordings of the training subset, divided into those whose labels are used and the others.
    static func recordings(_ configuration: RunConfiguration, _ store: FeatureStore) throws -> TrainingRecordings {
        guard store.classes.count > 0, store.dimension > 0 else {
            throw Failure.badInput(
                "there is nothing to learn: the store has \(store.classes.count) classes and \(store.dimension) columns", at: .file(store.path),
                advice: "make it from annotations with actions, and from features")
        }
        let data = configuration.data
        let training = try store.videos(inSubset: data.trainingSubset, key: "data.training_subset")
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
}
