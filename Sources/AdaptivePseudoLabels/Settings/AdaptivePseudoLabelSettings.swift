import Configuration
import ContrastivePretraining
import Detectors
import FeatureStore
import RunRecords
import Sampling
import TrainingMethods

/// The sections `apl`, `icd` and `acp`.
public struct AdaptivePseudoLabelSettings: MethodSettings {
    public static let name = "apl"
    public static let summary = "the labelled recordings, and pseudo-labels of the others; sections `apl`, `icd` and `acp`"
    public static let learnsFromDetections = true
    public static let earlierValues = ["apl.uncertain": "background"]

    public var pseudoLabels = PseudoLabelConfiguration()
    public var discriminator = DiscriminatorConfiguration()
    public var contrast = ContrastConfiguration()

    public init() {}

    public mutating func visit(_ keys: ConfigurationKeys) throws {
        try keys.section("apl", &pseudoLabels)
        try keys.section("icd", &discriminator)
        try keys.section("acp", &contrast)
    }

    public var mainStage: String { "burn-in" }
    public func warmupKey(ofStage name: String) -> String? {
        name.hasPrefix("round") && pseudoLabels.roundWarmupIterations != nil ? "apl.round_warmup_iterations" : nil
    }
    /// By MixUp.
    public var movesActions: Bool { pseudoLabels.mixupAlpha != nil }

    public var quality: QualitySettings {
        var result = QualitySettings(pseudoLabels.alqa)
        result.focalScore = pseudoLabels.alqaScore
        result.localizationWeight = Float(pseudoLabels.localizationWeight)
        result.power = Float(pseudoLabels.scorePower)
        return result
    }

    public func outline(_ run: RunConfiguration, _ counts: RecordingCounts) -> [StageOutline] {
        let apl = pseudoLabels, batch = run.data.batchSize
        let plan = StagePlan<AdaptivePseudoLabelMethod.Phase>(
            run, labeledEpoch: counts.epoch(.labeled, perStep: batch), wholeEpoch: counts.epoch(.all, perStep: batch),
            unlabeledEpoch: counts.epoch(.unlabeled, perStep: apl.unlabeledBatchSize))
        return zip(plan.stages, plan.phases).map { stage, phase in
            var outline = StageOutline(
                stage.name, iterations: stage.iterations, shares: [.init(.labeled, perStep: batch)],
                contrasts: contrast.isOn && contrast.weight > 0)
            switch phase {
            case .pretraining: (outline.shares, outline.contrasts) = ([.init(.all, perStep: batch)], true)
            case .burnIn: break
            case .round:
                outline.shares.append(.init(.unlabeled, perStep: apl.unlabeledBatchSize))
                outline.labels = .unlabeled
            }
            return outline
        }
    }

    /// At least one where a part is asked for, none where nothing asks for them.
    public func heldOutCount(labeled: Int) -> Int {
        let fraction = pseudoLabels.heldOutFraction
        return pseudoLabels.rounds > 0 && fraction > 0 ? max(1, Int((fraction * Double(labeled)).rounded())) : 0
    }

    public func check(_ run: RunConfiguration, _ keys: ConfigurationKeys) throws {
        let apl = pseudoLabels
        if apl.pretrainingIterations != nil, apl.pretrainingEpochs != nil {
            throw keys.refusal(
                "both pretraining_iterations and pretraining_epochs are given", at: "apl.pretraining_epochs",
                advice: "keep one of apl.pretraining_iterations and apl.pretraining_epochs")
        }
        if (apl.pretrainingIterations ?? apl.pretrainingEpochs ?? 0) > 0, !contrast.isOn {
            throw keys.refusal(
                "a pre-training is asked for, but acp.coarse and acp.fine are both off", at: "apl.pretraining_iterations",
                advice: "set one of acp.coarse and acp.fine, or the length of the pre-training to 0")
        }
        let detector = type(of: run.model)
        guard detector.qualityBranches.contains(apl.alqa) || !detector.givesPseudoLabels else {
            throw keys.refusal(
                "alqa is \(apl.alqa.rawValue), and \(detector.title) has no such branch", at: "apl.alqa",
                advice: "choose \(alternatives(detector.qualityBranches.map(\.rawValue)))")
        }
        guard apl.rounds > 0 else { return }
        guard run.model.classSource != .known else {
            throw keys.refusal(
                "the classes of pseudo-labels would be those annotated of the unlabelled recordings", at: "model.video_classifier",
                advice: "set model.video_classifier to own or file")
        }
        if apl.heldOutFraction == 0, apl.guardsRounds || apl.selection == .precision {
            let key = apl.guardsRounds ? "apl.guard" : "apl.selection"
            throw keys.refusal(
                "\(apl.guardsRounds ? "the guard of the rounds" : "selection by precision") needs labelled recordings that are not trained on",
                at: key,
                advice: "set apl.held_out_fraction, for example to 0.25, or \(key) to \(apl.guardsRounds ? "false" : "adaptive")")
        }
        if apl.burnInShare > 0 { try checkBurnInShare(run, keys) }
        switch (apl.roundIterations, apl.roundEpochs) {
        case (.some, .some):
            throw keys.refusal(
                "both round_iterations and round_epochs are given", at: "apl.round_epochs",
                advice: "keep one of apl.round_iterations and apl.round_epochs")
        case (nil, nil) where apl.student == .continued:
            throw keys.refusal(
                "the length of a round is not given", at: "apl.round_iterations",
                advice: "set one of apl.round_iterations and apl.round_epochs, or apl.student to restarted: rounds are then as long as the burn-in")
        default: break
        }
        try run.requireWholeBatches(apl.unlabeledBatchSize, named: "unlabeled_batch_size", at: "apl.unlabeled_batch_size", keys)
    }

    /// Weights between two detectors make sense where one has come from the other, and where there is an end of the last round.
    private func checkBurnInShare(_ run: RunConfiguration, _ keys: ConfigurationKeys) throws {
        func refuse(because reason: String, orElse change: String) throws {
            throw keys.refusal(
                "a share of the burn-in's weights is asked for, and \(reason)", at: "apl.burn_in_share",
                advice: "set apl.burn_in_share to 0, or \(change)")
        }
        if pseudoLabels.student == .restarted {
            try refuse(
                because: "students are restarted: their weights have nothing in common with the burn-in's", orElse: "apl.student to continued")
        }
        if run.training.patience != nil {
            try refuse(because: "training.patience may end the run before its last round ends", orElse: "training.patience to null")
        }
    }

    public static func measures(inFolder folder: String) throws -> [RunMeasure] { try RunMeasure.ofPseudoLabels(inFolder: folder) }

    public func make(
        _ run: RunConfiguration, store: FeatureStore, detector: any Detector, recordings: TrainingRecordings
    ) throws -> any TrainingMethod {
        try AdaptivePseudoLabelMethod(configuration: run, store: store, detector: detector, recordings: recordings)
    }
}

extension RunConfiguration {
    /// Section `apl`.
    public var pseudoLabels: PseudoLabelConfiguration { self[AdaptivePseudoLabelSettings.self].pseudoLabels }
    /// Section `icd`.
    public var discriminator: DiscriminatorConfiguration { self[AdaptivePseudoLabelSettings.self].discriminator }
    /// Section `acp`.
    public var contrast: ContrastConfiguration { self[AdaptivePseudoLabelSettings.self].contrast }
}
