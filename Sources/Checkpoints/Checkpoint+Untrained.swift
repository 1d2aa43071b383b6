import Diagnostics
import RunRecords

/// Checkpoints of stages before the detector's own.
extension Checkpoint {
    /// Kept among the method's state while no step has trained the detector.
    package static let untrainedMark = "detector_untrained"

    /// - Throws: `Failure.badInput` for a checkpoint whose detector has its first weights still.
    public func requireTrainedDetector() throws {
        guard header.methodState[Self.untrainedMark] != nil else { return }
        throw Failure.badInput(
            "the checkpoint holds no trained detector: up to step \(header.step) the run has trained a generator of proposals alone", at: .file(path),
            advice: "use a checkpoint of the student; a run without student leaves its detections in predictions.json")
    }
}
