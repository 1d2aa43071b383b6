/// Everything that shapes a TriDet: the keys of the published `thumos_i3d.yaml` that have meaning without padding, at that code's defaults.
public struct TriDetConfiguration: Equatable, Sendable {
    /// Channel groups of the group norm in each block: fixed in the published code.
    public static let normGroups = 16

    public var inputDimension: Int
    public var classes: Int
    /// Embedding convolutions, stem blocks, branch blocks (each halving the length); there are 1 + branch levels.
    public var embeddingConvolutions = 2
    public var stemBlocks = 2
    public var branchBlocks = 5
    /// Kernel w of the window branch per level, odd. The stem's blocks have kernel 1 whatever the first entry says, as published.
    public var windows = [Int](repeating: 1, count: 6)
    /// The window branch's second kernel is `k (w + 1)`, rounded, and one more where that is even.
    public var windowFactor = 1.5
    /// Hidden channels of a block's feed-forward layers.
    public var hiddenDimension = 768
    /// Standard deviation of the window and instant branches' weights at the beginning.
    public var branchDeviation: Float = 0
    public var embeddingDimension = 512
    public var embeddingKernel = 3
    public var embeddingNorm = true
    public var neck = NeckKind.identity
    public var neckDimension = 512
    public var neckNorm = true
    public var headDimension = 512
    public var headKernel = 3
    /// Kernel of the start and end heads.
    public var boundaryKernel = 3
    /// Convolutions of a head, the final one counted.
    public var headLayers = 3
    public var headNorm = true
    public var absolutePositions = false
    /// Rows of the absolute position table.
    public var maximumLength = 2304
    /// Whether boundaries are found by the trident head; otherwise the offsets are regressed as ActionFormer's.
    public var tridentHead = true
    /// Bins of a boundary beside the point itself.
    public var bins = 16
    /// Standard deviation of the noise added to the features in training.
    public var inputNoise: Float = 0

    /// Per level, the range of max(left, right) distances it is responsible for, in rows of the finest level.
    public var regressionRanges: [ClosedRange<Float>] = [0...4, 4...8, 8...16, 16...32, 32...64, 64...10000]
    /// In units of the level's stride; nil: anywhere inside the segment.
    public var centerSampleRadius: Float? = 1.5
    public var labelSmoothing: Float = 0
    /// Factor of the regression loss.
    public var regressionWeight: Float = 1
    /// Power of the tIoU that a positive's classification loss is multiplied by.
    public var overlapPower: Float = 1
    /// Probability the classifiers begin with.
    public var priorProbability: Float = 0.01
    /// Classes without data, whose bias begins at -log((1 - 1e-6) / 1e-6).
    public var emptyClasses: [Int] = []
    public var dropPath: Float = 0.1
    /// Branches that assess predicted segments (APL's ALQA); none in the published detector.
    public var quality = QualitySettings()
    public var detection = DetectionSettings()

    public init(inputDimension: Int, classes: Int) {
        self.inputDimension = inputDimension
        self.classes = classes
    }

    public var levels: Int { 1 + branchBlocks }
}
