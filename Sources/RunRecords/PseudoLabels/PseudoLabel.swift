import TemporalAnnotations

/// The fate of a prediction on an unlabelled recording.
public enum PseudoLabelFate: String, Codable, CaseIterable, Sendable {
    /// Chosen by its score.
    case positive
    /// Chosen by its score, removed since it is unlike the labelled instances of its class (APL's EAP).
    case removed
    /// Below the threshold, chosen since it is like the labelled instances of its class (APL's MPP).
    case promoted
    /// Below the threshold.
    case rejected

    /// Whether it becomes a label.
    public var isLabel: Bool { self == .positive || self == .promoted }
}

/// One prediction on an unlabelled recording: where, what, how sure, and whether it is learnt from.
public struct PseudoLabel: Hashable, Sendable {
    public var video: VideoID
    /// Seconds, within the recording.
    public var segment: Segment
    /// Index into the `ClassMap`.
    public var label: Int
    /// The score that selection looks at: the joint one, after suppression.
    public var score: Double
    /// P_cls.
    public var classScore: Double
    /// P_tiou, or P_diou of a single branch; nil for detectors without.
    public var tIoU: Double?
    /// P_tnd; nil for detectors without.
    public var tND: Double?
    /// To the labelled instances of its class; nil where nothing was compared.
    public var similarity: Double?
    public var fate: PseudoLabelFate

    public init(
        video: VideoID, segment: Segment, label: Int, score: Double, classScore: Double, tIoU: Double? = nil, tND: Double? = nil,
        similarity: Double? = nil, fate: PseudoLabelFate
    ) {
        self.video = video
        self.segment = segment
        self.label = label
        self.score = score
        self.classScore = classScore
        self.tIoU = tIoU
        self.tND = tND
        self.similarity = similarity
        self.fate = fate
    }
}
