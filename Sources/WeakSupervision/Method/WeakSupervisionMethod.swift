import DataParallel
import Detectors
import Diagnostics
import FeatureStore
import NeuralNetworks
import PseudoLabels
import RandomStreams
import Sampling
import TemporalAnnotations
import TrainingMethods

/// FuSTAL: a generator of proposals learnt from the recordings' classes, a student on its filtered proposals, then the student on its own averaged
/// predictions. docs/methods.md says which file holds which equation.
///
/// Everything is a function of seed, stage, step and shard, or in the checkpoint: the generator while it is needed, then the labels.
public final class WeakSupervisionMethod: TrainingMethod {
    enum Phase: Equatable {
        case generator
        /// On the generator's proposals.
        case student
        /// On the student's averaged predictions.
        case distillation
    }

    let configuration: RunConfiguration
    let settings: WeakSupervisionConfiguration
    let store: FeatureStore
    let detector: any Detector & CandidateLocalizer
    /// Recordings whose classes are known, and have any; positions in the store, ascending.
    let recordings: [Int]
    let seed: UInt64
    private let plan: StagePlan<Phase>
    private let cropping: Cropping
    /// Of the student's recordings; the generator learns from whole ones.
    let mixing: RecordingMixing
    private let generatorSampler: TrainingSampler
    private let allRecordings: TrainingSampler
    /// One for each generator.
    let training: [GeneratorTraining]

    /// The generator's proposals that are learnt from, then a record of the student's predictions; part of the state.
    private(set) var round = RoundLabels()
    private var labelled: TrainingSampler?

    /// - Throws: `Failure` for a detector whose predictions cannot become labels, when the training recordings with classes are too few for the virtual
    ///   shards, and when the switch to distillation lies beyond the student's end.
    public init(configuration: RunConfiguration, store: FeatureStore, detector: any Detector, recordings: TrainingRecordings) throws {
        guard let detector = detector as? any Detector & CandidateLocalizer else {
            throw Failure.wrongUsage(
                "the method needs a detector whose predictions can become labels", at: .key("model.name"),
                advice: "set model.name to \(configuration.registry.studentDetectors)")
        }
        guard !(detector is any ProposalRefiner) else {
            throw Failure.wrongUsage(
                "a detector that refines proposals is prepared with labelled segments, and the method knows none", at: .key("model.name"),
                advice: "set model.name to \(configuration.registry.studentDetectors)")
        }
        self.configuration = configuration
        settings = configuration.weakSupervision
        self.store = store
        self.detector = detector
        let data = configuration.data
        seed = UInt64(configuration.training.seed)
        cropping = Cropping(maximumRows: data.maxRows, keptPart: data.truncThresh, ratio: data.cropRatio)
        self.recordings = recordings.labeled.filter { !store.videos[$0].annotation.knownClasses.isEmpty }.sorted()
        let videos = self.recordings.map { (index: $0, rows: store.videos[$0].rows) }
        generatorSampler = try TrainingSampler(
            videos: videos, shardCount: data.virtualShards, batchSize: configuration.weakSupervision.generatorBatchSize, seed: seed,
            window: data.balanceWindow, longest: data.maxRows)
        // Without a student nothing asks for batches of so many recordings.
        let batchSize = settings.student ? data.batchSize : max(data.batchSize, data.virtualShards)
        allRecordings = try TrainingSampler(
            videos: videos, shardCount: data.virtualShards, batchSize: batchSize, seed: seed &+ Self.sampling(round: 2), window: data.balanceWindow,
            longest: data.maxRows)
        mixing = try RecordingMixing(alpha: configuration.training.mixupAlpha, seed: seed, detector: detector)
        plan = try StagePlan(configuration, perEpoch: allRecordings.stepsPerEpoch)
        training = try (0..<settings.generators).map { [settings, seed] in
            try GeneratorTraining(settings, number: $0, store: store, seed: seed, reduction: configuration.training.reductionOptions)
        }
        if settings.student, settings.maskDisagreement != nil, !(detector is any WeightedTargets) {
            throw Failure.wrongUsage(
                "places left out of the loss need a detector whose targets have weights", at: .key("fustal.mask_disagreement"),
                advice: "set fustal.mask_disagreement to null, or model.name to \(configuration.registry.studentDetectors)")
        }
    }

    private static func sampling(round: Int) -> UInt64 { UInt64(round) &* 0x9E37_79B9_7F4A_7C15 }

    /// Of all recordings, in the detector's batches; the generator's batches are of another size.
    public var iterationsPerEpoch: Int { allRecordings.stepsPerEpoch }
    public var stages: [TrainingStage] { plan.stages }

    /// The student; without one the generator's proposals.
    public func localizer(_ detector: any Detector) -> any ActionLocalizer {
        settings.student ? detector : ProposalLocalizer(training.map(\.generator), settings: settings)
    }

    // MARK: Recordings

    /// Whole recordings without actions for the generator; crops with the round's labels for the student.
    public func videos(at position: StepPosition) -> [[TrainingVideo]] {
        let (phase, first) = plan.phase(of: position.step), step = position.step - first
        switch phase {
        case .generator:
            return [
                generatorSampler.videos(step: step, shard: position.shard).map {
                    TrainingVideo(index: $0, rows: 0..<store.videos[$0].rows, instances: [])
                }
            ]
        case .student, .distillation:
            let isDistilled = phase == .distillation
            guard let sampler = isDistilled ? allRecordings : labelled else { return [[]] }
            // Distillation finds its labels in the step itself; crops look for an action all the same.
            func crop(_ index: Int, _ random: inout RandomStream) -> TrainingVideo {
                cropping.crop(index, of: store, instances: round.instances[index] ?? [], ignored: round.ignored[index] ?? [], random: &random)
            }
            var random = RandomStream(seed: seed, "crop", position.shard, position.step)
            let own = sampler.videos(step: step, shard: position.shard).map { crop($0, &random) }
            return mixing.withPartners([own], at: position) { _, random in crop(sampler.any(&random), &random) }
        }
    }

    /// Takes new labels. Recordings without any are left out of the student's training, unless so few have some that a shard would be empty.
    func take(_ labels: RoundLabels) throws {
        round = labels
        let data = configuration.data
        guard labels.round > 0 else {
            labelled = nil
            return
        }
        let filled = recordings.filter { labels.instances[$0] != nil }
        labelled = try TrainingSampler(
            videos: (filled.count >= data.virtualShards ? filled : recordings).map { ($0, store.videos[$0].rows) }, shardCount: data.virtualShards,
            batchSize: data.batchSize, seed: seed &+ Self.sampling(round: 1), window: data.balanceWindow, longest: data.maxRows)
    }

    /// The classes that are known of a recording, ascending.
    func classes(of recording: Int) -> [Int] { store.videos[recording].annotation.knownClasses }

    // MARK: Stages

    /// Warnings of recordings that little can be learnt from, one line for the user each.
    ///
    /// - Throws: `Failure.badInput` when the generator or the student can learn nothing.
    public func review() throws -> [String] { try GeneratorReview(self).lines() }

    /// Makes the reductions of the generators' gradients over the ranks of the run.
    public func prepare(_ run: RunContext) throws { training.forEach { $0.prepare(run) } }

    /// Makes the labels that the stage learns from: the generator's before the student's stage, the student's own before distillation.
    ///
    /// - Throws: `Failure` when no proposal is left to learn from, or the labels cannot be written; whatever a collective call throws.
    public func begin(stage: Int, _ run: RunContext) throws {
        switch plan.phases[stage] {
        case .generator: break
        case .student: try label(1, name: stages[stage].name, run) { try generatorLabels(run, title: "student: proposing") }
        case .distillation:
            try label(2, name: stages[stage].name, run) {
                try run.state.average.withAveragedWeights { try studentLabels(run, title: "distillation: labelling") }
            }
        }
    }

    /// The student on all recordings, without any proposal.
    ///
    /// - Throws: `Failure` when a virtual shard has no recording.
    public func beginTrial(stage: Int) throws {
        switch plan.phases[stage] {
        case .generator: break
        case .student: try take(RoundLabels(round: 1))
        case .distillation: try take(RoundLabels(round: 2))
        }
    }

    /// One step of the generator or of the student, whichever the stage trains.
    ///
    /// - Returns: the losses of each virtual shard of this rank.
    /// - Throws: whatever a collective call throws.
    public func step(_ step: TrainingStep) throws -> [[String: Double]] {
        switch plan.phases[step.stage] {
        case .generator:
            return try trainGenerators(step, learningRate: stages[step.stage].schedule.rate(at: step.step))
        case .student: return try learn(step, groups: step.batches.map(\.groups))
        case .distillation: return try learn(step, groups: try distilled(step))
        }
    }
}

extension WeakSupervisionMethod {
    /// One step of every generator on the same recordings.
    ///
    /// - Returns: the mean of their losses, per shard of this rank; the step's gradient norm is that over all of them.
    private func trainGenerators(_ step: TrainingStep, learningRate: Double) throws -> [[String: Double]] {
        func train(_ one: GeneratorTraining) throws -> [[String: Double]] {
            try one.train(step, learningRate: learningRate) { shard in
                generatorSampler.videos(step: step.step, shard: shard).map(classes)
            }
        }
        guard training.count > 1 else { return try train(training[0]) }
        var losses: [[String: Double]] = step.batches.map { _ in [:] }, squares = 0.0
        for one in training {
            for (shard, found) in try train(one).enumerated() {
                losses[shard].merge(found.mapValues { $0 / Double(training.count) }, uniquingKeysWith: +)
            }
            let norm = step.gradientNorm ?? 0
            squares += norm * norm
        }
        step.gradientNorm = squares.squareRoot()
        return losses
    }
}

extension StagePlan<WeakSupervisionMethod.Phase> {
    /// The stages that a configuration asks for.
    fileprivate init(_ configuration: RunConfiguration, perEpoch: Int) throws {
        self.init()
        let settings = configuration.weakSupervision
        add(
            TrainingStage(
                "generator", iterations: settings.generatorIterations,
                schedule: LearningRateSchedule(base: settings.generatorLearningRate, warmupIterations: 0, shape: .constant), trainsDetector: false),
            .generator)
        guard settings.student else { return }
        let iterations = configuration.iterations(perEpoch: perEpoch)
        let schedule = configuration.learningRateSchedule(iterationsPerEpoch: perEpoch)
        let key = settings.distillAfterEpochs != nil ? "fustal.distill_after_epochs" : "fustal.distill_after_iterations"
        guard let first = settings.distillAfterIterations ?? settings.distillAfterEpochs.map({ $0 * perEpoch }) else {
            add(TrainingStage("student", iterations: iterations, schedule: schedule), .student)
            return
        }
        guard first < iterations else {
            throw Failure.wrongUsage(
                "distillation would begin after iteration \(first) of the student's \(iterations)", at: .key(key),
                advice: "choose a smaller number, or null for no distillation")
        }
        add(TrainingStage("student", iterations: first, schedule: schedule), .student)
        add(TrainingStage("distillation", iterations: iterations - first, schedule: schedule, firstIteration: first), .distillation)
    }
}
