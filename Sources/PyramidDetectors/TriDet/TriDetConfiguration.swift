import Configuration
import Detectors

/// The configuration of TriDet: what pyramids share, its blocks and its trident head.
public struct TriDetConfiguration: PyramidDetectorConfiguration {
    public static let name = "tridet"
    public static let title = "TriDet"
    public static let hasDropout = false
    /// Channel groups of the group norm in each block: fixed in the published code.
    public static let normGroups = 16

    public var pyramid: PyramidConfiguration
    /// Kernel w of the window branch, odd. The stem's blocks have kernel 1 whatever the first level's says, as published.
    public var window = PerLevel.all(1)
    /// The window branch's second kernel is `k (w + 1)`, rounded, and one more where that is even.
    public var windowFactor = 1.5
    /// Hidden channels of a block's feed-forward layers.
    public var hiddenDimension = 768
    /// Standard deviation of the window and instant branches' weights at the beginning.
    public var branchDeviation: Float = 0
    /// How the branch's blocks halve the length.
    public var downsampling = SGPBlock.Downsampling.max
    /// Whether boundaries are found by the trident head; otherwise the offsets are regressed as ActionFormer's.
    public var tridentHead = true
    /// Bins of a boundary beside the point itself.
    public var bins = 16
    /// Kernel of the start and end heads.
    public var boundaryKernel = 3
    /// Power of the tIoU that a positive's classification loss is multiplied by.
    public var overlapPower: Float = 1
    /// Standard deviation of the noise added to the features in training.
    public var inputNoise: Float = 0

    /// The trident head with 16 bins.
    public init(_ pyramid: PyramidConfiguration) { self.pyramid = pyramid }

    /// Kernel of the window branch per level.
    public var windows: [Int] {
        get { window.values(levels: levels) ?? [] }
        set { window = .each(newValue) }
    }

    /// The keys of all pyramids, and those of the SGP blocks and the trident head.
    public mutating func visit(_ keys: ConfigurationKeys) throws {
        let odd = PyramidConfiguration.odd
        var shared = pyramid
        try shared.visit(
            keys,
            blocks: {
                try keys.value(
                    "n_sgp_win_size", &window, Requirement(odd.text) { $0.allSatisfy(odd.holds) }, unit: "rows of the level",
                    meaning: "kernel w of the window branch, one for all levels or a list of one per level; the stem's is 1 whatever the "
                        + "first one says")
                try keys.value(
                    "k", &windowFactor, .upTo(64, above: 0),
                    meaning: "the window branch's second kernel is round(k (w + 1)), one more where that is even")
                try keys.value(
                    "sgp_mlp_dim", &hiddenDimension, PyramidConfiguration.channels, unit: "channels",
                    meaning: "hidden width of a block's feed-forward layers")
                try keys.value(
                    "init_conv_vars", &branchDeviation, .within(0...10),
                    meaning: "standard deviation of the first weights of a block's depthwise convolutions; at 0, the published code's "
                        + "default, these never learn anything ([methods.md](methods.md#tridet))")
                try keys.value(
                    "downsample_type", &downsampling,
                    meaning: "how a branch block halves the length: `max`: max-pooling; `avg`: a linear layer on the means of pairs of rows")
            })
        pyramid = shared
        try keys.value(
            "use_trident_head", &tridentHead,
            meaning: "the trident head; `false`: offsets as ActionFormer's, and the three keys below but the noise are without " + "effect")
        try keys.value(
            "num_bins", &bins, .within(1...ConfigurationLimits.window), unit: "bins",
            meaning: "of a boundary, beside the point itself: the farthest end a level can say is so many of its rows away")
        try keys.value(
            "boundary_kernel_size", &boundaryKernel, odd, unit: "rows", meaning: "kernel of the start and end heads (published `boudary_kernel_size`)"
        )
        try keys.value(
            "iou_weight_power", &overlapPower, .within(0...10),
            meaning: "power of the tIoU that the classification loss of true classes is multiplied by")
        try keys.value("input_noise", &inputNoise, .within(0...10), meaning: "standard deviation of the noise added to the features in training")
    }

    /// - Throws: `Failure` for windows that are not one per level, and channels that the group norms do not divide.
    public func check(_ keys: ConfigurationKeys) throws {
        try pyramid.check(keys)
        guard window.values(levels: levels) != nil else {
            throw keys.refusal(
                "n_sgp_win_size lists another number of windows than the \(levels) levels", at: "model.n_sgp_win_size",
                advice: "give one number for all levels, or one per level")
        }
        let groups = Self.normGroups
        guard pyramid.embeddingDimension % groups == 0 else {
            throw keys.refusal(
                "embd_dim \(pyramid.embeddingDimension) is not a multiple of the \(groups) groups of TriDet's group norm", at: "model.embd_dim",
                advice: "choose a multiple of \(groups)")
        }
    }

    /// A TriDet of these settings; the sizes are those of the data.
    public func make(inputDimension: Int, classes: Int, options: DetectorOptions) -> any Detector {
        TriDet(completed(inputDimension: inputDimension, classes: classes, options: options))
    }

    /// The farthest bin.
    public var farthestEnd: Float? { tridentHead ? Float(bins) : nil }

    public var reachLimit: (what: String, advice: SettingAdvice)? {
        guard tridentHead else { return nil }
        return (
            "\(bins) bins", SettingAdvice(keys: ["model.num_bins"], "raise model.num_bins, or set model.use_trident_head to false")
        )
    }
}
