/// Everything that shapes a TriDet: what pyramids share, its blocks and its trident head.
public struct TriDetConfiguration: PyramidDetectorConfiguration {
    /// Channel groups of the group norm in each block: fixed in the published code.
    public static let normGroups = 16

    public var pyramid: PyramidConfiguration
    /// Kernel w of the window branch per level, odd. The stem's blocks have kernel 1 whatever the first entry says, as published.
    public var windows = [Int](repeating: 1, count: 6)
    /// The window branch's second kernel is `k (w + 1)`, rounded, and one more where that is even.
    public var windowFactor = 1.5
    /// Hidden channels of a block's feed-forward layers.
    public var hiddenDimension = 768
    /// Standard deviation of the window and instant branches' weights at the beginning.
    public var branchDeviation: Float = 0
    /// Kernel of the start and end heads.
    public var boundaryKernel = 3
    /// Whether boundaries are found by the trident head; otherwise the offsets are regressed as ActionFormer's.
    public var tridentHead = true
    /// Bins of a boundary beside the point itself.
    public var bins = 16
    /// Standard deviation of the noise added to the features in training.
    public var inputNoise: Float = 0
    /// Power of the tIoU that a positive's classification loss is multiplied by.
    public var overlapPower: Float = 1

    public init(_ pyramid: PyramidConfiguration) { self.pyramid = pyramid }

    /// The farthest bin.
    public var farthestEnd: Float? { tridentHead ? Float(bins) : nil }
}
