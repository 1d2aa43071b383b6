/// From the network's outputs to detections: the published code's `test_cfg`, with its defaults.
public struct DetectionSettings: Codable, Hashable, Sendable {
    /// Scores must be above this before anything else is examined.
    public var preNMSThresh: Float
    /// So many of the best scores are kept per pyramid level.
    public var preNMSTopK: Int
    /// tIoU from which hard NMS drops.
    public var iouThreshold: Float
    /// Soft-NMS drops detections whose score has fallen below this; hard NMS those that do not exceed it.
    public var minScore: Float
    /// Detections kept per video (and per class).
    public var maxSegNum: Int
    public var nmsMethod: SuppressionMethod
    /// Width of Soft-NMS's Gaussian.
    public var nmsSigma: Float
    /// Detections must be longer than this, in grid positions (feature rows), not seconds.
    public var durationThresh: Float
    /// Classes compete apart in NMS.
    public var multiclassNMS: Bool
    /// tIoU from which neighbours vote on a detection's ends; 0 for no voting; without effect when `multiclassNMS`.
    public var votingThresh: Float

    /// The defaults of the published `test_cfg`; thresholds are scores or tIoUs in [0, 1].
    public init(
        preNMSThresh: Float = 0.001, preNMSTopK: Int = 5000, iouThreshold: Float = 0.1, minScore: Float = 0.01, maxSegNum: Int = 1000,
        nmsMethod: SuppressionMethod = .soft, nmsSigma: Float = 0.5, durationThresh: Float = 0.05, multiclassNMS: Bool = true,
        votingThresh: Float = 0.75
    ) {
        self.preNMSThresh = preNMSThresh
        self.preNMSTopK = preNMSTopK
        self.iouThreshold = iouThreshold
        self.minScore = minScore
        self.maxSegNum = maxSegNum
        self.nmsMethod = nmsMethod
        self.nmsSigma = nmsSigma
        self.durationThresh = durationThresh
        self.multiclassNMS = multiclassNMS
        self.votingThresh = votingThresh
    }

    /// The part that `suppress` needs.
    public var suppression: SuppressionSettings {
        SuppressionSettings(
            method: nmsMethod, iouThreshold: iouThreshold, sigma: nmsSigma, minScore: minScore, maxSegments: maxSegNum, perClass: multiclassNMS,
            votingThreshold: votingThresh)
    }

    /// The published code's spelling, as configurations write it.
    enum CodingKeys: String, CodingKey {
        case preNMSThresh = "pre_nms_thresh"
        case preNMSTopK = "pre_nms_topk"
        case iouThreshold = "iou_threshold"
        case minScore = "min_score"
        case maxSegNum = "max_seg_num"
        case nmsMethod = "nms_method"
        case nmsSigma = "nms_sigma"
        case durationThresh = "duration_thresh"
        case multiclassNMS = "multiclass_nms"
        case votingThresh = "voting_thresh"
    }
}
