/// What the work of one rank costs, measured on one rank alone.
public struct WorkCosts: Equatable, Sendable {
    /// Seconds of a training step per row, forward and backward.
    public var perRow = 0.0
    /// Seconds of a training step whatever its rows: optimiser, clipping.
    public var perStep = 0.0
    /// Seconds of detection per row.
    public var detectionPerRow = 0.0
    /// Seconds per byte of gradients that a rank adds up.
    public var perAddedByte = 0.0
    /// Seconds of a rank's part in the contrast over the global mini-batch, per step.
    public var contrast = 0.0
    /// The same of a rank alone.
    public var contrastAlone = 0.0
    /// Messages and bytes that a rank receives for the contrast, per step.
    public var contrastMessages = 0.0
    public var contrastBytes = 0.0
    /// Numbers that the detector learns.
    public var parameters = 0
    /// Of a gradient on its way.
    public var bytesPerNumber = 4
    /// Elements of a bucket.
    public var bucketElements = 1_048_576
    /// Whether buckets travel while backward runs.
    public var overlaps = true
    /// Predictions of a recording that are gathered on rank 0, at most, and bytes of each.
    public var predictionsPerRecording = 200
    public var bytesPerPrediction = 64
    /// Seconds of rank 0 per gathered prediction.
    public var selection = 1e-6
    /// Bytes of a checkpoint per second.
    public var checkpointRate = 5e8

    /// All others as given there.
    public init() {}

    /// Backward's part of a training step over the rows.
    static let backward = 2.0 / 3

    /// Weights, their average and two moments of each number.
    var checkpointSeconds: Double { Double(16 * parameters) / checkpointRate }
}
