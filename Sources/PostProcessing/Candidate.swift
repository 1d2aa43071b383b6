import TemporalAnnotations

/// A detection on the feature grid, before suppression.
public struct Candidate: Hashable, Sendable {
    /// In feature rows of the finest level.
    public var segment: GridSegment
    /// Confidence in [0, 1].
    public var score: Float
    public var label: Int
    /// Where the candidate came from, for the caller's use: the point of the pyramid. Suppression carries it along.
    public var source: Int
    /// `segment` in feature rows of the finest level, `score` in [0, 1], `label` an index of the class.
    public init(segment: GridSegment, score: Float, label: Int, source: Int = 0) {
        self.segment = segment
        self.score = score
        self.label = label
        self.source = source
    }
}
