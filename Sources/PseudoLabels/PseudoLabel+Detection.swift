import Detectors
import RunRecords

extension PseudoLabel {
    /// A detector's prediction, whose segment it has cut to the recording already.
    ///
    /// - Parameter similarity: not a number where nothing was compared.
    public init(_ assessed: AssessedDetection, similarity: Float = .nan, fate: PseudoLabelFate = .rejected) {
        let detection = assessed.detection
        self.init(
            video: detection.video, segment: detection.segment, label: detection.label, score: detection.score,
            classScore: Double(assessed.classScore), tIoU: assessed.overlap.map(Double.init), tND: assessed.distance.map(Double.init),
            similarity: similarity.isNaN ? nil : Double(similarity), fate: fate)
    }
}
