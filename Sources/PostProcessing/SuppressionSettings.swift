/// How overlapping detections are suppressed.
public enum SuppressionMethod: String, Codable, Sendable, CaseIterable {
    /// Soft-NMS with Gaussian decay: `score *= exp(-tIoU^2 / sigma)` (Bodla et al. 2017).
    case soft
    /// A detection whose tIoU with a better one reaches `iouThreshold` is dropped.
    case hard
    /// No suppression.
    case none
}

/// Settings of `suppress`; names and meaning as in the published code's `test_cfg`.
public struct SuppressionSettings: Hashable, Sendable {
    public var method: SuppressionMethod
    /// tIoU from which hard NMS drops; without meaning for Soft-NMS.
    public var iouThreshold: Float
    /// Width of the Gaussian decay.
    public var sigma: Float
    /// Scores below (soft) or not above (hard) this are dropped.
    public var minScore: Float
    /// At most so many detections are kept, per class and in all; 0 for no limit.
    public var maxSegments: Int
    /// Classes compete apart.
    public var perClass: Bool
    /// tIoU from which the neighbours of a kept detection vote on its ends; 0 for no voting. Without effect when `perClass`.
    public var votingThreshold: Float

    /// Soft-NMS within classes, without voting.
    public init(
        method: SuppressionMethod = .soft, iouThreshold: Float = 0.1, sigma: Float = 0.5, minScore: Float = 0.001, maxSegments: Int = 200,
        perClass: Bool = true, votingThreshold: Float = 0
    ) {
        self.method = method
        self.iouThreshold = iouThreshold
        self.sigma = sigma
        self.minScore = minScore
        self.maxSegments = maxSegments
        self.perClass = perClass
        self.votingThreshold = votingThreshold
    }
}
