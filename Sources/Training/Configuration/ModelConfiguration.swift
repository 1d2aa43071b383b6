/// Section `model`: the detector, with the published names of its settings. Keys of one detector alone exist only when `name` is that detector.
public struct ModelConfiguration: ConfigurationSection {
    public enum Name: String, ConfigurationChoice, Sendable { case actionformer, tridet }
    public enum Neck: String, ConfigurationChoice, Sendable { case identity, fpn }

    public var name = Name.actionformer
    /// Columns of the features. null: as the store says.
    public var inputDimension: Int?
    /// Embedding convolutions, stem blocks, branch blocks.
    public var backboneArch = [2, 2, 5]
    public var scaleFactor = 2
    public var heads = 4
    /// Rows of a level that a position sees around itself; at most 1: all rows.
    public var attentionWindow = PerLevel.all(-1)
    public var embeddingKernelSize = 3
    public var embeddingDimension = 512
    public var embeddingHasNorm = true
    public var neck = Neck.identity
    public var neckDimension = 512
    public var neckHasNorm = true
    public var neckStartLevel = 0
    public var headDimension = 512
    public var headKernelSize = 3
    public var headLayers = 3
    public var headHasNorm = true
    public var usesAbsolutePositions = false
    public var usesRelativePositions = false
    /// [low, high] per level, in feature rows.
    public var regressionRange: [[Double]] = [[0, 4], [4, 8], [8, 16], [16, 32], [32, 64], [64, 10000]]
    /// Length of the absolute position encoding.
    public var maxSeqLen = 2304

    // TriDet alone.
    /// Kernel w of the blocks' window branch; the stem's is 1.
    public var perceptionWindow = PerLevel.all(1)
    /// The window branch's second kernel is `k (w + 1)`.
    public var perceptionFactor = 1.5
    public var perceptionHiddenDimension = 768
    /// Standard deviation of the window and instant branches' first weights.
    public var perceptionDeviation = 0.0
    public var usesTridentHead = true
    public var bins = 16
    public var boundaryKernelSize = 3
    public var overlapPower = 1.0
    /// Standard deviation of the noise added to the features in training.
    public var inputNoise = 0.0

    public init() {}

    public mutating func visit(_ keys: ConfigurationKeys) throws {
        let odd = Requirement<Int>("odd and from 1 to \(ConfigurationLimits.window)") { (1...ConfigurationLimits.window).contains($0) && $0 % 2 == 1 }
        let channels = Requirement<Int>.within(1...ConfigurationLimits.channels)
        try keys.value("name", &name)
        try keys.value("input_dimension", &inputDimension, channels.orNull)
        try keys.value(
            "backbone_arch", &backboneArch,
            Requirement("as [embedding, stem, branch], from 1, 0 and 0 to 64, 64 and 16") {
                $0.count == 3 && (1...64).contains($0[0]) && (0...64).contains($0[1]) && (0...16).contains($0[2])
            })
        try keys.value("scale_factor", &scaleFactor, Requirement("which must be 2") { $0 == 2 })
        switch name {
        case .actionformer: try visitAttention(keys, channels)
        case .tridet: try visitPerception(keys, channels, odd)
        }
        try keys.value("embd_kernel_size", &embeddingKernelSize, odd)
        try keys.value("embd_dim", &embeddingDimension, channels)
        try keys.value("embd_with_ln", &embeddingHasNorm)
        try keys.value("fpn_type", &neck)
        try keys.value("fpn_dim", &neckDimension, channels)
        try keys.value("fpn_with_ln", &neckHasNorm)
        try keys.value("fpn_start_level", &neckStartLevel, Requirement("which must be 0") { $0 == 0 })
        try keys.value("head_dim", &headDimension, channels)
        try keys.value("head_kernel_size", &headKernelSize, odd)
        try keys.value("head_num_layers", &headLayers, .within(1...64))
        try keys.value("head_with_ln", &headHasNorm)
        try keys.value("use_abs_pe", &usesAbsolutePositions)
        if name == .actionformer { try keys.value("use_rel_pe", &usesRelativePositions) }
        try keys.value(
            "regression_range", &regressionRange,
            Requirement("as [low, high] per level with 0 <= low < high") { ranges in
                ranges.allSatisfy { $0.count == 2 && $0[0] >= 0 && $0[0] < $0[1] }
            })
        try keys.value("max_seq_len", &maxSeqLen, .within(1...1_048_576))
        if name == .tridet { try visitTridentHead(keys, odd) }
        for (detector, foreign) in Self.ownKeys where detector != name {
            for key in foreign {
                keys.explain(
                    key, "'\(key)' belongs to the detector \(detector.rawValue), but model.name is \(name.rawValue)",
                    advice: "remove the key, or set model.name to \(detector.rawValue)")
            }
        }
    }

    /// Keys that one detector alone has.
    private static let ownKeys: [(detector: Name, keys: [String])] = [
        (.actionformer, ["n_head", "n_mha_win_size", "use_rel_pe"]),
        (
            .tridet,
            [
                "n_sgp_win_size", "k", "sgp_mlp_dim", "init_conv_vars", "use_trident_head", "num_bins", "boundary_kernel_size", "iou_weight_power",
                "input_noise",
            ]
        ),
    ]

    private mutating func visitAttention(_ keys: ConfigurationKeys, _ channels: Requirement<Int>) throws {
        try keys.value("n_head", &heads, channels)
        try keys.value(
            "n_mha_win_size", &attentionWindow,
            Requirement("at most \(ConfigurationLimits.window)") { windows in
                switch windows {
                case .all(let window): window <= ConfigurationLimits.window
                case .each(let windows): windows.allSatisfy { $0 <= ConfigurationLimits.window }
                }
            })
    }

    private mutating func visitPerception(_ keys: ConfigurationKeys, _ channels: Requirement<Int>, _ odd: Requirement<Int>) throws {
        try keys.value(
            "n_sgp_win_size", &perceptionWindow,
            Requirement(odd.text) { windows in
                switch windows {
                case .all(let window): odd.holds(window)
                case .each(let windows): windows.allSatisfy(odd.holds)
                }
            })
        try keys.value("k", &perceptionFactor, .upTo(64, above: 0))
        try keys.value("sgp_mlp_dim", &perceptionHiddenDimension, channels)
        try keys.value("init_conv_vars", &perceptionDeviation, .within(0...10))
    }

    private mutating func visitTridentHead(_ keys: ConfigurationKeys, _ odd: Requirement<Int>) throws {
        try keys.value("use_trident_head", &usesTridentHead)
        try keys.value("num_bins", &bins, .within(1...ConfigurationLimits.window))
        try keys.value("boundary_kernel_size", &boundaryKernelSize, odd)
        try keys.value("iou_weight_power", &overlapPower, .within(0...10))
        try keys.value("input_noise", &inputNoise, .within(0...10))
    }

    /// Levels of the pyramid that the heads look at.
    public var levels: Int { backboneArch[2] + 1 }
}
