import Detectors
import RunRecords

extension PseudoLabel {
    /// A detector's prediction, whose segment it has cut to the recording already.
    ///
    /// - Parameters:
    ///   - assessed: the prediction with its scores.
    ///   - similarity: not a number where nothing was compared.
    ///   - fate: what became of it.
    public init(_ assessed: AssessedDetection, similarity: Float = .nan, fate: PseudoLabelFate = .rejected) {
        let detection = assessed.detection
        self.init(
            video: detection.video, segment: detection.segment, label: detection.label, score: detection.score,
            classScore: Double(assessed.classScore), tIoU: assessed.overlap.map(Double.init), tND: assessed.distance.map(Double.init),
            similarity: similarity.isNaN ? nil : Double(similarity), fate: fate)
    }
}
