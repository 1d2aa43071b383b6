import ActionDetection
import Checkpoints
import Collectives
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
import TrainingReview

/// APL: pre-training without labels, burn-in on the labelled recordings with the discriminator beside, then rounds of labelling the others again and
/// training on both. docs/methods.md says which file holds which equation.
///
/// Everything is a function of seed, stage, step and shard, or in the checkpoint: pseudo-labels, normaliser, the discriminator's weights and moments.
public final class AdaptivePseudoLabelMethod: TrainingMethod {
    enum Phase: Equatable {
        case pretraining
        case burnIn
        /// Counted from 1.
        case round(Int)
    }

    let configuration: RunConfiguration
    let settings: AdaptivePseudoLabelSettings
    let store: FeatureStore
    let detector: any Detector & CandidateLocalizer
    /// What of the detector ACP contrasts.
    enum Contrasted {
        case levels(any LevelFeatures)
        case proposals(any ContrastedProposals)
        case nothing
    }
    let contrasted: Contrasted
    /// Those that are trained on.
    package let recordings: TrainingRecordings
    /// Labelled ones that are not trained on, as positions in the store.
    package let heldOut: [Int]
    let seed: UInt64
    private let plan: StagePlan<Phase>
    private let cropping: Cropping
    let mixing: RecordingMixing
    private let all: TrainingSampler?
    let labeled: TrainingSampler
    let discriminator: DiscriminatorTraining?
    /// The only class of the labelled actions: there are no pairs of different classes that ICD could learn from. Nil: there are several, or none.
    private let onlyClass: String?
    /// What the discriminator sees.
    let instanceRows: InstanceRows
    /// Gives the classes of predictions that have none of their own; nil: they have.
    let classScores: ClassScores?

    /// Of the present round; part of the state.
    package var round = RoundLabels()
    private var unlabeled: TrainingSampler?
    /// The pyramid's values after pre-training, where students are restarted; empty: it was not pre-trained. Part of the state.
    var pretrained: [Float] = []
    /// The best weights so far, where rounds are guarded; part of the state.
    var best: GuardedWeights?
    /// The burn-in's weights, where the run ends with a share of them; part of the state.
    var burnIn: SavedWeights?

    /// - Throws: `Failure` for a detector whose predictions cannot become labels, when a part of the recordings is too small for the virtual
    ///   shards, and when the classes or the proposals of an unlabelled recording are to come from files that lack it.
    public init(configuration: RunConfiguration, store: FeatureStore, detector: any Detector, recordings: TrainingRecordings) throws {
        guard let detector = detector as? any Detector & CandidateLocalizer else {
            throw Failure.wrongUsage(
                "the method needs a detector whose predictions can become labels", at: .key("model.name"),
                advice: "set model.name to \(configuration.registry.pseudoLabelDetectors)")
        }
        self.configuration = configuration
        settings = configuration[AdaptivePseudoLabelSettings.self]
        contrasted = try Contrasted(detector, settings)
        self.store = store
        self.detector = detector
        let data = configuration.data, apl = settings.pseudoLabels
        let heldOut = settings.heldOutCount(labeled: recordings.labeled.count), kept = recordings.labeled.count - heldOut
        self.heldOut = recordings.labeled.suffix(heldOut).sorted()
        guard heldOut == 0 || kept >= data.virtualShards else {
            throw Failure.badInput(
                "\(counted(kept, "labelled recording")) \(kept == 1 ? "is" : "are") left to train on, of \(recordings.labeled.count), for "
                    + "\(data.virtualShards) virtual shards",
                at: .key("apl.held_out_fraction"), advice: "hold out fewer recordings, label more, or use fewer virtual shards")
        }
        let recordings = TrainingRecordings(labeled: Array(recordings.labeled.prefix(kept)), unlabeled: recordings.unlabeled)
        self.recordings = recordings
        seed = UInt64(configuration.training.seed)
        cropping = Cropping(maximumRows: data.maxRows, keptPart: data.truncThresh, ratio: data.cropRatio)
        if apl.rounds > 0, recordings.unlabeled.count < data.virtualShards {
            throw Failure.badInput(
                "\(recordings.unlabeled.count) unlabelled training recordings are too few for \(data.virtualShards) virtual shards",
                at: .key("data.labeled_fraction"), advice: "label fewer recordings, use fewer virtual shards, or set apl.rounds to 0")
        }
        func sampler(_ videos: [Int]) throws -> TrainingSampler {
            try TrainingSampler(
                videos: videos.map { ($0, store.videos[$0].rows) }, shardCount: data.virtualShards, batchSize: data.batchSize,
                seed: UInt64(configuration.training.seed), window: data.balanceWindow, longest: data.maxRows)
        }
        labeled = try sampler(recordings.labeled)
        let everything = try sampler((recordings.labeled + recordings.unlabeled).sorted())
        plan = StagePlan(
            configuration, labeledEpoch: labeled.stepsPerEpoch, wholeEpoch: everything.stepsPerEpoch,
            unlabeledEpoch: max(1, recordings.unlabeled.count / apl.unlabeledBatchSize))
        all = plan.phases.contains(.pretraining) ? everything : nil
        let classes = Set(recordings.labeled.flatMap { store.videos[$0].annotation.instances.map(\.label) })
        onlyClass = classes.count == 1 ? classes.first.map { store.classes.names[$0] } : nil
        let icd = settings.discriminator, usesDiscriminator = icd.isOn && apl.rounds > 0 && onlyClass == nil
        instanceRows = usesDiscriminator ? try InstanceRows(icd.features, detector: detector) : .input
        discriminator =
            usesDiscriminator ? try DiscriminatorTraining(icd, columns: instanceRows.columns ?? store.dimension, seed: seed) : nil
        if apl.uncertain != .background, !(detector is any WeightedTargets) {
            throw Failure.wrongUsage(
                "uncertain candidates need a detector whose targets have weights", at: .key("apl.uncertain"),
                advice: "set apl.uncertain to background")
        }
        if apl.rounds > 0, let refiner = detector as? any ProposalRefiner {
            try refiner.requireProposals(of: (recordings.unlabeled + self.heldOut).map { store.videos[$0].context })
        }
        classScores = try Self.classScores(configuration, store, rounds: apl.rounds, of: recordings.unlabeled + self.heldOut)
        mixing = try RecordingMixing(
            alpha: apl.mixupAlpha ?? configuration.training.mixupAlpha, seed: seed, detector: detector,
            key: apl.mixupAlpha == nil ? "training.mixup_alpha" : "apl.mixup_alpha")
    }

    /// - Throws: `Failure.badInput` for a recording that the file does not know.
    private static func classScores(_ configuration: RunConfiguration, _ store: FeatureStore, rounds: Int, of videos: [Int]) throws -> ClassScores? {
        guard rounds > 0, configuration.model.classSource == .file, !configuration.data.classAgnostic else { return nil }
        let scores = try ClassScores(configuration, classes: store.classes)
        for video in videos { try scores?.require(store.videos[video].id) }
        return scores
    }

    public var iterationsPerEpoch: Int { labeled.stepsPerEpoch }
    public var stages: [TrainingStage] { plan.stages }

    // MARK: Recordings

    /// Steps of the labelled recordings' order continue from burn-in through the rounds.
    func labeledVideos(step: Int, shard: Int) -> [Int] {
        let first = plan.phases.firstIndex(of: .burnIn).map { plan.firstSteps[$0] } ?? 0
        return labeled.videos(step: step - first, shard: shard)
    }

    public func videos(at position: StepPosition) -> [[TrainingVideo]] {
        let (phase, first) = plan.phase(of: position.step), shard = position.shard
        var random = RandomStream(seed: seed, "crop", shard, position.step)
        if phase == .pretraining {
            let videos = all?.videos(step: position.step - first, shard: shard) ?? []
            return [videos.map { cropping.crop($0, of: store, instances: [], random: &random) }]
        }
        let known = labeledVideos(step: position.step, shard: shard).map { crop($0, group: 0, &random) }
        var groups = [known]
        if case .round = phase {
            var second = RandomStream(seed: seed, "crop unlabelled", shard, position.step)
            let others = unlabeled?.videos(step: position.step - first, shard: shard) ?? []
            groups.append(others.map { crop($0, group: 1, &second) })
        }
        let pools = [labeled, unlabeled ?? labeled]
        return mixing.withPartners(groups, at: position) { group, random in crop(pools[group].any(&random), group: group, &random) }
    }

    /// A labelled recording (group 0) with its actions, or an unlabelled one (group 1) with what the round says of it.
    private func crop(_ index: Int, group: Int, _ random: inout RandomStream) -> TrainingVideo {
        guard group == 1 else { return cropping.crop(index, of: store, instances: store.videos[index].annotation.instances, random: &random) }
        return cropping.crop(
            index, of: store, instances: round.instances[index] ?? [], weights: round.weights[index], ignored: round.ignored[index] ?? [],
            random: &random)
    }

    /// Takes new pseudo-labels. Recordings without any are left out, unless so few have some that a shard would be empty.
    package func take(_ labels: RoundLabels) throws {
        round = labels
        let data = configuration.data
        guard labels.round > 0 else {
            unlabeled = nil
            return
        }
        let filled = recordings.unlabeled.filter { labels.instances[$0] != nil }
        let chosen = filled.count >= data.virtualShards ? filled : recordings.unlabeled
        unlabeled = try TrainingSampler(
            videos: chosen.map { ($0, store.videos[$0].rows) }, shardCount: data.virtualShards,
            batchSize: settings.pseudoLabels.unlabeledBatchSize,
            seed: Self.seed(seed, round: labels.round), window: data.balanceWindow, longest: data.maxRows)
    }

    // MARK: Stages

    public func review() throws -> [String] {
        let lines = try LearnableActions.review(labeled: recordings.labeled, configuration: configuration, store: store, detector: detector)
        guard settings.pseudoLabels.rounds > 0 else { return lines }
        let barren = BarrenRecordings(among: recordings.unlabeled, configuration: configuration, store: store, detector: detector)
        return lines + [barren.warning("pseudo-label", "unlabelled recordings"), oneClassWarning].compactMap { $0 }
    }

    private var oneClassWarning: String? {
        guard let onlyClass, settings.discriminator.isOn else { return nil }
        return "warning: all labelled actions are of one class, '\(onlyClass)': ICD, which learns from pairs of different classes, promotes and "
            + "removes no label; set icd.eap and icd.mpp to false"
    }

    public func prepare(_ run: RunContext) throws {
        if instanceRows.isFixed { try discriminator?.prepare(run, labeled: recordings.labeled) }
    }

    public func begin(stage: Int, _ run: RunContext) throws {
        switch plan.phases[stage] {
        case .pretraining: break
        case .burnIn where stage > 0: leavePretraining(run.state)
        case .burnIn: break
        case .round(let number): try beginRound(number, name: stages[stage].name, run)
        }
    }

    /// A round on unlabelled recordings with a made-up pseudo-label each: what a step costs may depend on there being one.
    public func beginTrial(stage: Int) throws {
        guard case .round(let number) = plan.phases[stage] else { return }
        let first = configuration.training.initialLossNorm
        var labels = RoundLabels(round: number, normalizers: detector.normalizers.map { _ in first })
        for index in recordings.unlabeled {
            let duration = store.videos[index].annotation.duration
            labels.instances[index] = [ActionInstance(segment: Segment(start: 0.45 * duration, end: 0.55 * duration), label: 0)]
        }
        try take(labels)
    }

    public var restartsDetector: Bool { hasStudents || plan.phases.contains(.pretraining) }

    /// Whether rounds begin with new detectors.
    var hasStudents: Bool { settings.pseudoLabels.student == .restarted && settings.pseudoLabels.rounds > 0 }

    /// Burn-in begins with the pre-trained pyramid.
    private func leavePretraining(_ state: TrainingState) {
        let values = pyramid.flatMap { Array($0.values) }
        if hasStudents { pretrained = values }
        restart(state, pyramid: values, seed: seed)
    }

    /// Heads as if never touched, a new optimiser and a new average; the pyramid too where it was not pre-trained. What is not learnt stays.
    private func restart(_ state: TrainingState, pyramid values: [Float], seed: UInt64) {
        let given = detector.namedParameters.map(\.parameter).filter { !$0.isLearnt }.map { ($0, Array($0.tensor.array)) }
        detector.initializeParameters(seed: seed)
        state.starting?.putBack(into: state.arena)
        for (parameter, values) in given { for (i, value) in values.enumerated() { parameter.values[i] = value } }
        var rest = values[...]
        for parameter in values.isEmpty ? [] : pyramid {
            for (i, value) in rest.prefix(parameter.count).enumerated() { parameter.values[i] = value }
            rest = rest.dropFirst(parameter.count)
        }
        state.optimizer.reset()
        state.average.reset()
    }

    /// Backbone and neck.
    var pyramid: [Parameter] {
        let names: [String] =
            switch contrasted {
            case .levels(let detector): detector.levelParameters
            case .proposals(let detector): detector.contrastedParameters
            case .nothing: []
            }
        return detector.namedParameters.filter { one in names.contains { one.name.hasPrefix($0) } }.map(\.parameter)
    }

    /// A round's student, where it is a new one. Its heads are drawn anew, so that it does not repeat the errors of its teacher.
    func beginStudent(round: Int, _ state: TrainingState) {
        guard hasStudents else { return }
        restart(state, pyramid: pretrained, seed: Self.seed(seed, round: round))
    }

    /// The burn-in's weights take part in those that the run ends with, and a guarded round that was no gain is undone.
    public func end(stage: Int, _ run: RunContext) throws {
        switch plan.phases[stage] {
        case .pretraining: return
        case .burnIn: keepBurnIn(run.state)
        case .round(let number): returnToBurnIn(after: number, run.state)
        }
        try guardRound(named: stages[stage].name, run)
    }

    static func seed(_ seed: UInt64, round: Int) -> UInt64 { seed &+ UInt64(round) &* 0x9E37_79B9_7F4A_7C15 }

    public func step(_ step: TrainingStep) throws -> [[String: Double]] {
        switch plan.phases[step.stage] {
        case .pretraining: return try pretrain(step)
        case .burnIn:
            var losses = try joint(step)
            if let discriminator, instanceRows.isFixed {
                let parts = try discriminator.train(step) { labeledVideos(step: step.step, shard: $0) }
                for i in losses.indices { losses[i]["discriminator"] = parts[i] }
            }
            return losses
        case .round: return try joint(step)
        }
    }
}

extension StagePlan<AdaptivePseudoLabelMethod.Phase> {
    /// The stages that a configuration asks for.
    init(_ configuration: RunConfiguration, labeledEpoch: Int, wholeEpoch: Int, unlabeledEpoch: Int) {
        self.init()
        let apl = configuration.pseudoLabels, training = configuration.training
        let warmup = configuration.warmupIterations(perEpoch: labeledEpoch)
        let burnIn = configuration.iterations(perEpoch: labeledEpoch)
        let own = configuration.learningRateSchedule(iterationsPerEpoch: labeledEpoch)
        func schedule(_ rate: Double?, warmup: Int, iterations: Int) -> LearningRateSchedule {
            own.scaled(from: burnIn, to: iterations, base: rate ?? training.learningRate, warmup: warmup)
        }
        let pretraining = apl.pretrainingIterations ?? (apl.pretrainingEpochs ?? 0) * wholeEpoch
        if pretraining > 0 {
            add(
                TrainingStage(
                    "pre-training", iterations: pretraining,
                    schedule: schedule(apl.pretrainingLearningRate, warmup: min(warmup, pretraining), iterations: pretraining)), .pretraining)
        }
        add(TrainingStage("burn-in", iterations: burnIn, schedule: own), .burnIn)
        let isRestarted = apl.student == .restarted, share = isRestarted ? 1 : apl.rounds
        let length = apl.roundIterations ?? apl.roundEpochs.map { $0 * unlabeledEpoch } ?? burnIn
        let rounds = schedule(
            apl.roundLearningRate, warmup: apl.roundWarmupIterations ?? (isRestarted ? min(warmup, length) : 0), iterations: share * length)
        for number in 0..<apl.rounds {
            add(
                TrainingStage("round \(number + 1)", iterations: length, schedule: rounds, firstIteration: number % share * length),
                .round(number + 1))
        }
    }
}
