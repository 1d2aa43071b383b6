import TemporalAnnotations

/// Which detections of a recording are kept in the end.
public struct DetectionSelection: Equatable, Sendable {
    /// So many of the best; nil: all.
    public var topK: Int?
    /// Detections with lower scores are dropped; nil: none.
    public var minScore: Double?

    /// Keeps everything unless told otherwise.
    public init(topK: Int? = nil, minScore: Double? = nil) {
        self.topK = topK
        self.minScore = minScore
    }

    /// - Parameter detections: of one recording, best first.
    public func callAsFunction(_ detections: [Detection]) -> [Detection] {
        let kept = minScore.map { least in detections.filter { $0.score >= least } } ?? detections
        return topK.map { Array(kept.prefix($0)) } ?? kept
    }
}
