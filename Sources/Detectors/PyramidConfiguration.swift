import Configuration

/// The configuration of any detector over a feature pyramid: the published `thumos_i3d.yaml` keys that do not pad, at their codes' defaults.
///
/// What the sections `training` and `test` and the method say (`options`) is read and set as if it were its own.
@dynamicMemberLookup
public struct PyramidConfiguration: Equatable, Sendable {
    /// Columns of the features; 0 while no data are known.
    public var inputDimension: Int
    /// 0 while no data are known.
    public var classes: Int

    // The section `model`.
    /// Columns that the features must have; nil: any.
    public var expectedDimension: Int?
    /// Embedding convolutions, stem blocks, branch blocks (each halving the length); there are 1 + branch levels.
    public var embeddingConvolutions = 2
    public var stemBlocks = 2
    public var branchBlocks = 5
    public var embeddingDimension = 512
    public var embeddingKernel = 3
    public var embeddingNorm = true
    public var neck = NeckKind.identity
    public var neckDimension = 512
    public var neckNorm = true
    public var headDimension = 512
    public var headKernel = 3
    /// Convolutions of a head, the final one counted.
    public var headLayers = 3
    public var headNorm = true
    public var absolutePositions = false
    /// Rows of the absolute position table.
    public var maximumLength = 2304
    /// Per level, the range of max(left, right) distances it is responsible for, in rows of the finest level.
    public var regressionRanges: [ClosedRange<Float>] = [0...4, 4...8, 8...16, 16...32, 32...64, 64...10000]

    /// The sections `training` and `test`, and the method.
    public var options = DetectorOptions()

    /// Everything at its default.
    public init(inputDimension: Int = 0, classes: Int = 0) {
        self.inputDimension = inputDimension
        self.classes = classes
    }

    public var levels: Int { 1 + branchBlocks }

    /// The members of `options`, as if they were the configuration's own.
    public subscript<Value>(dynamicMember key: WritableKeyPath<DetectorOptions, Value>) -> Value {
        get { options[keyPath: key] }
        set { options[keyPath: key] = newValue }
    }
}
