import TemporalAnnotations

/// A detection on the feature grid, before suppression.
public struct Candidate: Hashable, Sendable {
    public var segment: GridSegment
    public var score: Float
    public var label: Int
    public init(segment: GridSegment, score: Float, label: Int) {
        self.segment = segment
        self.score = score
        self.label = label
    }
}
