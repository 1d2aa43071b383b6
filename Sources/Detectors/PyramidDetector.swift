import Autograd
import NeuralNetworks

/// A detector over a feature pyramid, whose levels can be had before its heads run: for losses on the levels themselves.
public protocol PyramidDetector: Detector {
    /// Beginnings of the names of the parameters that the levels depend on.
    var pyramidParameters: [String] { get }
    func points(_ features: PackedSequence) -> PyramidPoints
    /// The levels, finest first, each half as long as the one before (rounded up).
    func pyramid(_ features: PackedSequence, _ pass: ForwardPass) -> [PackedSequence]
    /// The rest of `Detector.losses`, and the logits [points, classes] whose gradient it has seeded: operations on them may be recorded after it.
    func lossesWithLogits(
        _ levels: [PackedSequence], targets: PointTargets, normalizer: Float, _ pass: ForwardPass
    ) -> (losses: [String: Double], logits: Tensor)
    /// Like `detect`, and what each score is made of.
    func detectWithParts(_ batch: PackedBatch) -> [[AssessedDetection]]
}

extension PyramidDetector {
    /// The rest of `Detector.losses`.
    public func losses(_ levels: [PackedSequence], targets: PointTargets, normalizer: Float, _ pass: ForwardPass) -> [String: Double] {
        lossesWithLogits(levels, targets: targets, normalizer: normalizer, pass).losses
    }
}

extension ActionFormer: PyramidDetector {
    public var pyramidParameters: [String] { ["backbone.", "neck."] }

    public func lossesWithLogits(
        _ levels: [PackedSequence], targets: PointTargets, normalizer: Float, _ pass: ForwardPass
    ) -> (losses: [String: Double], logits: Tensor) {
        let outputs = heads(levels, pass)
        return (seedLosses(outputs, targets: targets, normalizer: normalizer), outputs.logits)
    }
}
