import Autograd
import Detectors
import Kernels
import NeuralNetworks
import TemporalAnnotations

/// The generator as one that detects: its proposals after NMS.
public final class ProposalLocalizer: ActionLocalizer {
    private let generator: ProposalGenerator
    private let settings: WeakSupervisionConfiguration
    private let extraction: ProposalExtraction
    /// The classes that are known of a video; nil: of none.
    public var known: ((VideoID) -> [Int])?

    /// Uses the generator as it is when `detect` is called; weights are not copied.
    public init(_ generator: ProposalGenerator, settings: WeakSupervisionConfiguration) {
        self.generator = generator
        self.settings = settings
        extraction = ProposalExtraction(settings)
    }

    /// Proposals of each recording after NMS, best first.
    public func detect(_ batch: PackedBatch) -> [[Detection]] { detectWithScores(batch).map(\.proposals) }

    /// Proposals, best first, and the softmax scores of the classes, per video.
    public func detectWithScores(_ batch: PackedBatch) -> [(proposals: [Detection], videoScores: [Float])] {
        let rows = (0..<batch.features.count).map {
            SegmentSampling.uniform(rows: batch.features.rows(of: $0).count, segments: settings.segments)
        }
        let segments = SegmentSampling.take(batch.features, rows: rows)
        let pass = ForwardPass.inference(), outputs = generator(segments, pass)
        let top = pass.tape.topMeans(outputs.activations, counts: rows.map { max(1, $0.count / settings.easyRatio) })
        let actionness = outputs.actionness, classes = generator.classes
        var p = [Double](repeating: 0, count: classes)
        return batch.videos.enumerated().map { index, video in
            VideoClassification.probabilities(top.values + index * classes, classes: classes, into: &p)
            let scores = p.map { Float($0) }, own = segments.rows(of: index)
            let activations = outputs.activations.tensor.array[own.lowerBound * classes..<own.upperBound * classes]
            let proposals = extraction.proposals(
                activations: Array(activations), actionness: Array(actionness[own]), videoScores: scores,
                labels: extraction.labels(videoScores: scores, known: known?(video.id)))
            let detections = extraction.detections(
                proposals, video: video.id, rows: batch.features.rows(of: index).count, segments: own.count, grid: video.grid,
                duration: video.duration)
            return (extraction.suppressed(detections), scores)
        }
    }
}
