import Autograd
import NeuralNetworks
import TemporalAnnotations

/// The outputs of a network at every point of the pyramid: level by level, finest first; within a level video by video.
public protocol PyramidOutputs {
    /// The neck's levels, [points of the level, neck dimension].
    var levels: [PackedSequence] { get }
    /// [points, classes].
    var logits: Tensor { get }
    /// Logits of the quality branches; nil without them.
    var quality: QualityLogits? { get }
    /// All that the heads have said: what losses seed gradients of.
    var predictions: [Tensor] { get }
}

/// A detector over a feature pyramid, whose every point says which action it lies in and where that action's ends are.
///
/// Detectors differ in the network, in how they say where an action's ends are, and in how targets are assigned; the rest is the extension's.
public protocol PyramidDetector: RehearsedDetector, LevelFeatures, PointClassifier, AssessedLocalizer, WeightedTargets
where Outputs: PyramidOutputs {
    associatedtype Configuration: PyramidDetectorConfiguration
    var configuration: Configuration { get }

    /// The heads over the levels that `pyramid` gave.
    func heads(_ levels: [PackedSequence], _ pass: ForwardPass) -> Outputs

    /// Seeds the gradients of the heads' outputs.
    ///
    /// - Parameters:
    ///   - outputs: of the heads.
    ///   - targets: classes, distances and positive points.
    ///   - normalizer: what sums over points are divided by.
    ///   - tape: that of the outputs; operations may still be recorded on it.
    /// - Returns: `classification`, `regression`, with quality branches `localization`, and `total`, the weighted sum; all divided by the normaliser.
    func seedLosses(_ outputs: Outputs, targets: PointTargets, normalizer: Float, tape: Tape) -> [String: Double]

    /// How far the ends of an action are, for as long as the outputs live.
    func distances(_ outputs: Outputs) -> DetectionDecoder.Distances

    func detect(_ batch: PackedBatch) -> [[Detection]]
    func detectWithParts(_ batch: PackedBatch) -> [[AssessedDetection]]
}

extension PyramidDetector where Self: AnnotationAssigned {
    /// By center sampling.
    public func assignTargets(_ batch: PackedBatch) -> PointTargets {
        configuration.pyramid.assigner.assign(points(batch.features), instances: batch.instances, weights: batch.weights)
    }
}

extension PyramidDetector {
    public var levelCount: Int { configuration.levels }
    public var levelColumns: Int { configuration.pyramid.neckDimension }
    public var levelParameters: [String] { ["backbone.", "neck."] }

    /// The neck's levels, finest first.
    public func levels(_ outputs: Outputs, _ pass: ForwardPass) -> [PackedSequence] { outputs.levels }
    /// Of all points, [points, classes].
    public func classLogits(_ outputs: Outputs) -> Tensor { outputs.logits }

    /// The points of all levels over a packed batch.
    public func points(_ features: PackedSequence) -> PyramidPoints {
        PyramidPoints(rows: (0..<features.count).map { features.rows(of: $0).count }, levels: configuration.levels)
    }

    /// - Parameters:
    ///   - features: [rows, input dimension], packed.
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    public func callAsFunction(_ features: PackedSequence, _ pass: ForwardPass) -> Outputs { heads(pyramid(features, pass), pass) }

    /// Allocates the gradient of each prediction that has one, as the losses would.
    public func rehearseGradients(_ outputs: Outputs) {
        for tensor in outputs.predictions where tensor.requiresGradient { _ = tensor.gradientToWrite() }
    }

    /// By center sampling, and by `farthestEnd` of the head.
    public func outlook(of index: Int, among instances: [GridInstance], rows: Int) -> TargetOutlook {
        configuration.pyramid.assigner.outlook(of: index, among: instances, rows: rows, farthestEnd: configuration.farthestEnd)
    }

    /// Decoded, suppressed and cut to the video, per recording.
    public func detect(_ batch: PackedBatch) -> [[Detection]] { detectWithParts(batch).map { $0.map(\.detection) } }

    /// Like `detect`, and what each score is made of.
    public func detectWithParts(_ batch: PackedBatch) -> [[AssessedDetection]] {
        let shared = configuration.pyramid, outputs = self(batch.features, .inference())
        return withExtendedLifetime(outputs) {
            DetectionDecoder(settings: shared.detection, classes: shared.classes).assessedDetections(
                logits: outputs.logits.values,
                quality: outputs.quality.map { QualityScores($0, settings: shared.quality).raised(to: shared.quality.power) },
                points: points(batch.features), videos: batch.videos, distances: distances(outputs))
        }
    }
}

/// The levels as one sequence, and the rows at which they end, first 0: for heads that run once over all of them.
package func concatenated(_ levels: [PackedSequence], _ pass: ForwardPass) -> (pyramid: PackedSequence, levelOffsets: [Int]) {
    var offsets = [0]
    for level in levels { offsets.append(offsets[offsets.count - 1] + level.rows) }
    return (pass.tape.concatenated(levels), offsets)
}
