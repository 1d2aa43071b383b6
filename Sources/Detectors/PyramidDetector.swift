import Autograd
import NeuralNetworks
import TemporalAnnotations

/// What a network says at every point of the pyramid: level by level, finest first; within a level video by video.
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

/// A detector over a feature pyramid, whose levels can be had before its heads run: for losses on the levels themselves.
///
/// Detectors differ in the network and in how it says where an action's ends are; the rest is the extension's.
public protocol PyramidDetector: RehearsedDetector {
    associatedtype Configuration: PyramidDetectorConfiguration
    associatedtype Outputs: PyramidOutputs
    var configuration: Configuration { get }

    /// The levels, finest first, each half as long as the one before (rounded up).
    ///
    /// - Parameter features: [rows, input dimension], packed.
    func pyramid(_ features: PackedSequence, _ pass: ForwardPass) -> [PackedSequence]

    /// The heads over the levels that `pyramid` gave.
    func heads(_ levels: [PackedSequence], _ pass: ForwardPass) -> Outputs

    /// Seeds the gradients of the heads' outputs.
    ///
    /// - Parameter tape: that of the outputs; operations may still be recorded on it.
    /// - Returns: `classification`, `regression`, with quality branches `localization`, and `total`, the weighted sum; all divided by the normaliser.
    func seedLosses(_ outputs: Outputs, targets: PointTargets, normalizer: Float, tape: Tape) -> [String: Double]

    /// How far the ends of an action are, for as long as the outputs live.
    func distances(_ outputs: Outputs) -> DetectionDecoder.Distances
}

extension PyramidDetector {
    /// Beginnings of the names of the parameters that the levels depend on.
    public var pyramidParameters: [String] { ["backbone.", "neck."] }

    public func points(_ features: PackedSequence) -> PyramidPoints {
        PyramidPoints(rows: (0..<features.count).map { features.rows(of: $0).count }, levels: configuration.levels)
    }

    /// - Parameter features: [rows, input dimension], packed.
    public func callAsFunction(_ features: PackedSequence, _ pass: ForwardPass) -> Outputs { heads(pyramid(features, pass), pass) }

    public func assignTargets(_ batch: PackedBatch) -> PointTargets {
        configuration.pyramid.assigner.assign(points(batch.features), instances: batch.instances)
    }

    public func outlook(of index: Int, among instances: [GridInstance], rows: Int) -> TargetOutlook {
        configuration.pyramid.assigner.outlook(of: index, among: instances, rows: rows, farthestEnd: configuration.farthestEnd)
    }

    public func detect(_ batch: PackedBatch) -> [[Detection]] { detectWithParts(batch).map { $0.map(\.detection) } }

    /// Like `detect`, and what each score is made of.
    public func detectWithParts(_ batch: PackedBatch) -> [[AssessedDetection]] {
        let shared = configuration.pyramid, outputs = self(batch.features, .inference())
        return withExtendedLifetime(outputs) {
            DetectionDecoder(settings: shared.detection, classes: shared.classes).assessedDetections(
                logits: outputs.logits.values, quality: outputs.quality.map { QualityScores($0, settings: shared.quality) },
                points: points(batch.features), videos: batch.videos, distances: distances(outputs))
        }
    }
}

/// The levels as one sequence, and the rows at which they end, first 0: for heads that run once over all of them.
func concatenated(_ levels: [PackedSequence], _ pass: ForwardPass) -> (pyramid: PackedSequence, levelOffsets: [Int]) {
    var offsets = [0]
    for level in levels { offsets.append(offsets[offsets.count - 1] + level.rows) }
    return (pass.tape.concatenated(levels), offsets)
}
