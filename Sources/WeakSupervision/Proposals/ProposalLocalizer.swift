import Autograd
import Detectors
import Kernels
import NeuralNetworks
import TemporalAnnotations

/// The generators as one that detects: their proposals after NMS, or fused.
public final class ProposalLocalizer: ActionLocalizer {
    /// What the generators propose for one recording.
    public struct Found: Equatable {
        /// Best first.
        public var proposals: [Detection]
        /// Of fused proposals, for the filter; nil: those among the proposals themselves.
        public var densities: [Double]?
        /// Softmax scores of the classes, the mean over the generators.
        public var videoScores: [Float]
        /// Where the sources are divided, in seconds; empty unless `fustal.mask_disagreement` is set.
        public var divided: [Segment]
    }

    private let generators: [ProposalGenerator]
    private let settings: WeakSupervisionConfiguration
    private let extraction: ProposalExtraction
    /// The classes that are known of a video; nil: of none.
    public var known: ((VideoID) -> [Int])?

    /// Uses the generators, at least one, as they are when `detect` is called; weights are not copied.
    public init(_ generators: [ProposalGenerator], settings: WeakSupervisionConfiguration) {
        self.generators = generators
        self.settings = settings
        extraction = ProposalExtraction(settings)
    }

    /// Proposals of each recording, best first.
    public func detect(_ batch: PackedBatch) -> [[Detection]] { detectWithScores(batch).map(\.proposals) }

    /// Proposals, best first, with what the filter needs, per video.
    public func detectWithScores(_ batch: PackedBatch) -> [Found] {
        let rows = (0..<batch.features.count).map {
            SegmentSampling.uniform(rows: batch.features.rows(of: $0).count, segments: settings.segments)
        }
        let segments = SegmentSampling.take(batch.features, rows: rows)
        let readings = generators.map { read($0, segments) }
        return batch.videos.enumerated().map { index, video in
            let own = readings.map { $0[index] }
            let scores = own.count == 1 ? own[0].videoScores : Self.mean(own.map(\.videoScores))
            let joined = extraction.joined(own, labels: extraction.labels(videoScores: scores, known: known?(video.id)))
            let rows = batch.features.rows(of: index).count, count = segments.rows(of: index).count
            func detections(_ proposals: [Proposal]) -> [Detection] {
                extraction.detections(proposals, video: video.id, rows: rows, segments: count, grid: video.grid, duration: video.duration)
            }
            let divided = joined.divided.compactMap {
                extraction.segment($0, rows: rows, segments: count, grid: video.grid, duration: video.duration)
            }
            guard settings.fusion == .ricker else {
                return Found(proposals: extraction.suppressed(detections(joined.proposals)), videoScores: scores, divided: divided)
            }
            // Fused proposals of a class are apart.
            let fused = ProposalExtraction.bestFirst(detections(joined.proposals))
            let sources = joined.ofGenerators.map { extraction.suppressed(detections($0)) }
            return Found(
                proposals: fused, densities: ProposalFilter.densities(fused, among: sources), videoScores: scores, divided: divided)
        }
    }

    /// What a generator says of each recording.
    private func read(_ generator: ProposalGenerator, _ segments: PackedSequence) -> [GeneratorReading] {
        let pass = ForwardPass.inference(), outputs = generator(segments, pass), classes = generator.classes
        let top = pass.tape.topMeans(
            outputs.activations, counts: (0..<segments.count).map { max(1, segments.rows(of: $0).count / settings.easyRatio) })
        let actionness = outputs.actionness
        var p = [Double](repeating: 0, count: classes)
        return (0..<segments.count).map { index in
            VideoClassification.probabilities(top.values + index * classes, classes: classes, into: &p)
            let own = segments.rows(of: index)
            let activations = outputs.activations.tensor.array[own.lowerBound * classes..<own.upperBound * classes]
            return GeneratorReading(activations: Array(activations), actionness: Array(actionness[own]), videoScores: p.map { Float($0) })
        }
    }

    private static func mean(_ lists: [[Float]]) -> [Float] {
        lists[0].indices.map { place in Float(lists.reduce(0.0) { $0 + Double($1[place]) } / Double(lists.count)) }
    }
}
