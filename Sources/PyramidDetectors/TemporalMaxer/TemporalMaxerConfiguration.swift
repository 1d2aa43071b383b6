import Configuration
import Detectors

/// Everything that shapes a TemporalMaxer: what pyramids share, and how SimOTA assigns its targets; at the values of the published configurations.
///
/// SimOTA's `center_radius` is `training.center_sample_radius`.
public struct TemporalMaxerConfiguration: PyramidDetectorConfiguration {
    public static let name = "temporalmaxer"
    public static let title = "TemporalMaxer"
    public static let hasDropout = false

    /// The norm between backbone and heads.
    public enum NeckNorm: String, ConfigurationChoice, Sendable, CaseIterable {
        /// Over the rows of a level and a quarter of the channels, without parameters.
        case groupnorm
        /// Over the channels of a row, with the same parameters on all levels.
        case layernorm
    }

    public var pyramid: PyramidConfiguration
    /// Of an identity neck with a norm.
    public var norm = NeckNorm.groupnorm
    /// Weights of the DIoU loss and of the focal loss in SimOTA's cost.
    public var overlapWeight: Float = 2
    public var classWeight: Float = 1
    /// The share of the points in an action that keep their weight.
    public var keptShare: Float = 1
    /// Weight of the other points.
    public var confusedWeight: Float = 0

    /// There are no stem blocks.
    public init(_ pyramid: PyramidConfiguration) {
        self.pyramid = pyramid
        self.pyramid.stemBlocks = 0
    }

    /// The keys of all pyramids, the neck's norm, and SimOTA's weights.
    public mutating func visit(_ keys: ConfigurationKeys) throws {
        var shared = pyramid
        try shared.visit(keys)
        pyramid = shared
        try keys.value(
            "fpn_norm", &norm,
            meaning: "norm of the identity neck: a group norm of 4 groups without parameters, or one layer norm for all levels; with "
                + "`fpn_with_ln: false` none")
        try keys.value(
            "assigner_iou_weight", &overlapWeight, .within(0...1000),
            meaning: "weight of the DIoU loss in the cost of a point for an action (published `assigner.iou_weight`)")
        try keys.value("assigner_cls_weight", &classWeight, .within(0...1000), meaning: "weight of the focal loss in the cost")
        try keys.value(
            "assigner_keep_percent", &keptShare, .within(0...1), unit: "share",
            meaning: "of the points in an action, those of least cost: they weigh 1")
        try keys.value("assigner_confuse_weight", &confusedWeight, .within(0...1), meaning: "weight of the other points of an action")
    }

    /// - Throws: `Failure` for stem blocks, and channels that the neck's group norm does not divide.
    public func check(_ keys: ConfigurationKeys) throws {
        try pyramid.check(keys)
        guard pyramid.stemBlocks == 0 else {
            throw keys.refusal(
                "backbone_arch has \(pyramid.stemBlocks) stem blocks, and TemporalMaxer has none", at: "model.backbone_arch",
                advice: "write 0 in the middle: [\(pyramid.embeddingConvolutions), 0, \(pyramid.branchBlocks)]")
        }
        let groups = TemporalMaxerNeck.groups
        guard !hasOwnNeck || norm != .groupnorm || pyramid.neckDimension % groups == 0 else {
            throw keys.refusal(
                "fpn_dim \(pyramid.neckDimension) is not a multiple of the \(groups) groups of TemporalMaxer's group norm", at: "model.fpn_dim",
                advice: "choose a multiple of \(groups)")
        }
    }

    /// Whether the neck is a norm; otherwise it is that of the other pyramids.
    var hasOwnNeck: Bool { pyramid.neck == .identity && pyramid.neckNorm }

    /// A TemporalMaxer of these settings; the sizes are those of the data.
    public func make(inputDimension: Int, classes: Int, options: DetectorOptions) -> any Detector {
        TemporalMaxer(completed(inputDimension: inputDimension, classes: classes, options: options))
    }

    var simOTA: SimOTAAssigner {
        SimOTAAssigner(
            candidates: pyramid.assigner, overlapWeight: overlapWeight, classWeight: classWeight, keptShare: keptShare, confusedWeight: confusedWeight
        )
    }
}
