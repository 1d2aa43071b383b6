/// Everything that shapes an ActionFormer: what pyramids share, and its attention.
public struct ActionFormerConfiguration: PyramidDetectorConfiguration {
    public var pyramid: PyramidConfiguration
    public var heads = 4
    /// Attention window per level; 1 or less for all positions.
    public var windows = [Int](repeating: 19, count: 6)
    public var relativePositions = false
    public var dropout: Float = 0

    public init(_ pyramid: PyramidConfiguration) { self.pyramid = pyramid }
}
