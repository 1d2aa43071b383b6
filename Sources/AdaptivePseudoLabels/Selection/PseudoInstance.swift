import Detectors
import TemporalAnnotations

/// One prediction on an unlabelled video, as rank 0 gathers them: 36 bytes, no references.
public struct PseudoInstance: Hashable, Sendable {
    /// Index of the video in the caller's list.
    public var video: Int32
    public var label: Int32
    /// On the feature grid.
    public var start: Float
    public var end: Float
    /// The score that selection looks at: `P_cls * P_diou` after Soft-NMS.
    public var jointScore: Float
    /// P_cls, P_tiou, P_tnd; NaN where the detector has no such branch.
    public var classScore: Float
    public var overlap: Float
    public var distance: Float
    /// The discriminator's, computed by the rank that holds the video; NaN without.
    public var similarity: Float

    public init(
        video: Int, label: Int, start: Float, end: Float, jointScore: Float, classScore: Float, overlap: Float = .nan, distance: Float = .nan,
        similarity: Float = .nan
    ) {
        self.video = Int32(video)
        self.label = Int32(label)
        self.start = start
        self.end = end
        self.jointScore = jointScore
        self.classScore = classScore
        self.overlap = overlap
        self.distance = distance
        self.similarity = similarity
    }

    public init(_ detection: AssessedDetection, video: Int) {
        self.init(
            video: video, label: detection.detection.label, start: detection.gridSegment.start, end: detection.gridSegment.end,
            jointScore: Float(detection.detection.score), classScore: detection.classScore, overlap: detection.overlap ?? .nan,
            distance: detection.distance ?? .nan)
    }

    public var segment: GridSegment { GridSegment(start: start, end: end) }
}

/// The fate of a prediction.
public enum PseudoInstanceFate: UInt8, Sendable, CaseIterable {
    /// Its score is below the floor.
    case dropped
    /// Chosen by its score.
    case positive
    /// Below the threshold, not yet looked at by the discriminator.
    case candidate
    /// Chosen by its score, removed for its low similarity (EAP).
    case removed
    /// Below the threshold, promoted for its high similarity (MPP).
    case promoted
    /// Below the threshold, not promoted.
    case rejected

    /// Whether it becomes a label.
    public var isLabel: Bool { self == .positive || self == .promoted }
}
