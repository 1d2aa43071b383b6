import TemporalAnnotations

/// A detection and what its score is made of.
public struct AssessedDetection: Hashable, Sendable {
    /// Its score is the one after suppression: Soft-NMS lowers those of overlapping detections.
    public var detection: Detection
    /// The segment on the feature grid, not cut to the video.
    public var gridSegment: GridSegment
    /// P_cls.
    public var classScore: Float
    /// P_tiou, or P_diou of a single branch; nil without quality branches.
    public var overlap: Float?
    /// P_tnd; nil without its branch.
    public var distance: Float?
    /// P_diou; nil without quality branches.
    public var reliability: Float?

    /// The parts are those before suppression, whatever became of the detection's score.
    public init(detection: Detection, gridSegment: GridSegment, classScore: Float, overlap: Float?, distance: Float?, reliability: Float?) {
        self.detection = detection
        self.gridSegment = gridSegment
        self.classScore = classScore
        self.overlap = overlap
        self.distance = distance
        self.reliability = reliability
    }

    /// `P = P_cls * P_diou` (Eq. 4) before suppression; P_cls without quality branches.
    public var jointScore: Float { classScore * (reliability ?? 1) }
}
