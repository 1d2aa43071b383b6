import Crypto
import Detectors
import Diagnostics
import Foundation

/// Everything that decides a run, as typed values with defaults.
///
/// Read from YAML with `key.path=value` overrides; unknown keys, mistyped values and values out of range are refused with the place they stand at.
/// Each section lists its keys once, in `visit(_:)`, for reading, for writing and for the document that names them.
public struct RunConfiguration: Equatable, Sendable {
    public var data = DataConfiguration()
    public var model = ModelConfiguration()
    public var training = TrainingConfiguration()
    public var test = TestConfiguration()
    public var method = MethodConfiguration()
    public var pseudoLabels = PseudoLabelConfiguration()
    public var discriminator = DiscriminatorConfiguration()
    public var contrast = ContrastConfiguration()
    public var weakSupervision = WeakSupervisionConfiguration()
    /// The keys that were set where it was read, by their full names.
    private(set) var written = WrittenKeys()

    public init() {}

    /// Reads a configuration file.
    ///
    /// - Throws: `Failure`: `.wrongUsage` for what is wrong in it, `.badInput` when it cannot be read.
    public init(path: String, overrides: [String] = []) throws {
        let missing = Failure.badInput("the configuration file cannot be read", at: .file(path), advice: "check the path; configs/ holds examples")
        try self.init(yaml: try ConfigurationNode.text(of: path, missing: missing), file: path, overrides: overrides)
    }

    /// - Parameter file: the name to say in errors.
    public init(yaml: String, file: String, overrides: [String] = []) throws {
        var document = try ConfigurationNode(yaml: yaml, file: file)
        try document.apply(overrides: overrides)
        let keys = ConfigurationKeys(document: document)
        try visit(keys)
        try keys.refuseUnknownKeys()
        try check(keys)
        written = WrittenKeys(keys.written)
    }

    mutating func visit(_ keys: ConfigurationKeys) throws {
        try keys.section("data", &data)
        try keys.section("model", &model)
        try keys.section("training", &training)
        try keys.section("test", &test)
        try keys.section("method", &method)
        try keys.section("apl", &pseudoLabels)
        try keys.section("icd", &discriminator)
        try keys.section("acp", &contrast)
        try keys.section("fustal", &weakSupervision)
    }

    /// Every key with its value.
    public var lines: [ConfigurationKeys.Line] {
        let keys = ConfigurationKeys(document: nil)
        var copy = self
        // Listing reads nothing, so nothing can be refused.
        try? copy.visit(keys)
        return keys.lines
    }

    /// The full configuration in one fixed form: sections and keys in the order of the documentation, defaults written out.
    public var canonicalYAML: String {
        var text = ""
        var section = ""
        for line in lines {
            if line.path[0] != section {
                section = line.path[0]
                text += "\(section):\n"
            }
            text += "  \(line.path.dropFirst().joined(separator: ".")): \(line.value)\n"
        }
        return text
    }

    /// Keys that change no bit of a run's result: how it is computed, watched and written.
    static let keysWithoutConsequence: Set<String> = [
        "data.store", "data.prefetch", "training.checkpoint_every", "training.keep", "training.threads", "training.log_every",
        "training.bucket_elements", "training.bucket_order", "training.overlap", "training.hierarchical", "training.recompute_mlp",
        "training.verify_every", "training.stall_seconds",
    ]

    /// SHA-256 of the canonical YAML, hex.
    public var digest: String { SHA256.hash(data: Data(canonicalYAML.utf8)).map { String(format: "%02x", $0) }.joined() }
}

extension RunConfiguration {
    /// Checks that look at more than one key.
    private func check(_ keys: ConfigurationKeys) throws {
        func refuse(_ what: String, at path: String, advice: String) -> Failure {
            Failure(.wrongUsage, what, at: keys.places(of: path), advice: advice)
        }
        guard !data.store.isEmpty else {
            throw refuse(
                "the feature store is not named", at: "data.store", advice: "give the path of a store made by 'kairos import' or 'kairos synthesize'")
        }
        // Without a student the generator alone is trained, on batches of its own.
        let trainsDetector = method.name != .fustal || weakSupervision.student
        guard !trainsDetector || data.batchSize % data.virtualShards == 0 else {
            throw refuse(
                "batch_size \(data.batchSize) is not a multiple of virtual_shards \(data.virtualShards)", at: "data.batch_size",
                advice: "every virtual shard takes the same number of recordings per iteration: choose a multiple, or fewer shards")
        }
        switch (training.iterations, training.epochs) {
        case (.some, .some) where trainsDetector:
            throw refuse("both iterations and epochs are given", at: "training.epochs", advice: "keep one of training.iterations and training.epochs")
        case (nil, nil) where trainsDetector:
            throw refuse(
                "the length of the run is not given", at: "training.iterations", advice: "set one of training.iterations and training.epochs")
        default: break
        }
        if trainsDetector, training.warmupIterations != nil, training.warmupEpochs != nil {
            throw refuse(
                "both warmup_iterations and warmup_epochs are given", at: "training.warmup_epochs",
                advice: "keep one of training.warmup_iterations and training.warmup_epochs")
        }
        if training.schedule != .multistep, !training.scheduleSteps.isEmpty {
            throw refuse(
                "schedule_steps are given, but the schedule is \(training.schedule.rawValue)", at: "training.schedule_steps",
                advice: "set training.schedule to multistep, or remove the steps")
        }
        try checkModel(refuse)
        switch method.name {
        case .supervised: break
        case .apl: try checkPseudoLabels(refuse)
        case .fustal: try checkWeakSupervision(refuse)
        }
    }

    private func checkWeakSupervision(_ refuse: (String, String, String) -> Failure) throws {
        let fustal = weakSupervision
        guard fustal.generatorBatchSize % data.virtualShards == 0 else {
            throw refuse(
                "generator_batch_size \(fustal.generatorBatchSize) is not a multiple of virtual_shards \(data.virtualShards)",
                "fustal.generator_batch_size",
                "every virtual shard takes the same number of recordings per iteration: choose a multiple, or fewer shards")
        }
        if fustal.student, fustal.distillAfterIterations != nil, fustal.distillAfterEpochs != nil {
            throw refuse(
                "both distill_after_iterations and distill_after_epochs are given", "fustal.distill_after_epochs",
                "keep one of fustal.distill_after_iterations and fustal.distill_after_epochs")
        }
        guard !fustal.casThresholds.isEmpty || !fustal.actionnessThresholds.isEmpty else {
            throw refuse("there are no thresholds to make proposals with", "fustal.cas_thresholds", "give thresholds, or leave the keys out")
        }
    }

    private func checkPseudoLabels(_ refuse: (String, String, String) -> Failure) throws {
        let apl = pseudoLabels
        if apl.pretrainingIterations != nil, apl.pretrainingEpochs != nil {
            throw refuse(
                "both pretraining_iterations and pretraining_epochs are given", "apl.pretraining_epochs",
                "keep one of apl.pretraining_iterations and apl.pretraining_epochs")
        }
        if (apl.pretrainingIterations ?? apl.pretrainingEpochs ?? 0) > 0, !contrast.isOn {
            throw refuse(
                "a pre-training is asked for, but acp.coarse and acp.fine are both off", "apl.pretraining_iterations",
                "set one of acp.coarse and acp.fine, or the length of the pre-training to 0")
        }
        guard apl.rounds > 0 else { return }
        switch (apl.roundIterations, apl.roundEpochs) {
        case (.some, .some):
            throw refuse(
                "both round_iterations and round_epochs are given", "apl.round_epochs", "keep one of apl.round_iterations and apl.round_epochs")
        case (nil, nil):
            throw refuse("the length of a round is not given", "apl.round_iterations", "set one of apl.round_iterations and apl.round_epochs")
        default: break
        }
        guard apl.unlabeledBatchSize % data.virtualShards == 0 else {
            throw refuse(
                "unlabeled_batch_size \(apl.unlabeledBatchSize) is not a multiple of virtual_shards \(data.virtualShards)",
                "apl.unlabeled_batch_size",
                "every virtual shard takes the same number of recordings per iteration: choose a multiple, or fewer shards")
        }
    }

    private func checkModel(_ refuse: (String, String, String) -> Failure) throws {
        guard model.regressionRange.count == model.levels else {
            throw refuse(
                "\(model.regressionRange.count) regression ranges are given for \(model.levels) pyramid levels", "model.regression_range",
                "give one [low, high] per level: the branch blocks of backbone_arch and one more")
        }
        if model.neck == .identity, model.neckDimension != model.embeddingDimension {
            throw refuse(
                "fpn_dim \(model.neckDimension) differs from embd_dim \(model.embeddingDimension), and the identity neck cannot change it",
                "model.fpn_dim",
                "set both alike, or fpn_type to fpn")
        }
        switch model.name {
        case .actionformer: try checkAttention(refuse)
        case .tridet: try checkPerception(refuse)
        }
    }

    private func checkAttention(_ refuse: (String, String, String) -> Failure) throws {
        guard let windows = model.attentionWindow.values(levels: model.backboneArch[2] + 1) else {
            throw refuse(
                "n_mha_win_size lists another number of windows than the \(model.backboneArch[2] + 1) levels", "model.n_mha_win_size",
                "give one number for all levels, or one per level")
        }
        if let even = windows.first(where: { $0 > 1 && $0 % 2 == 0 }) {
            throw refuse("the attention window \(even) is even, so it has no middle", "model.n_mha_win_size", "give odd windows, or -1 for all rows")
        }
        guard model.embeddingDimension % model.heads == 0 else {
            throw refuse(
                "embd_dim \(model.embeddingDimension) is not a multiple of n_head \(model.heads)", "model.n_head", "choose a divisor of embd_dim")
        }
        if model.usesRelativePositions, windows.contains(where: { $0 <= 1 }) {
            throw refuse("use_rel_pe needs a local attention window on every level", "model.use_rel_pe", "set n_mha_win_size, or use_rel_pe to false")
        }
    }

    private func checkPerception(_ refuse: (String, String, String) -> Failure) throws {
        guard model.perceptionWindow.values(levels: model.levels) != nil else {
            throw refuse(
                "n_sgp_win_size lists another number of windows than the \(model.levels) levels", "model.n_sgp_win_size",
                "give one number for all levels, or one per level")
        }
        let groups = TriDetConfiguration.normGroups
        guard model.embeddingDimension % groups == 0 else {
            throw refuse(
                "embd_dim \(model.embeddingDimension) is not a multiple of the \(groups) groups of TriDet's group norm", "model.embd_dim",
                "choose a multiple of \(groups)")
        }
        if training.dropout > 0 {
            throw refuse("dropout \(training.dropout) is set, but TriDet has none", "training.dropout", "remove the key; training.droppath is there")
        }
    }
}
