import Autograd
import Kernels
import NeuralNetworks
import RandomStreams
import TemporalAnnotations

/// TriDet (arXiv 2303.07347): scalable-granularity perception over a feature pyramid, and a trident head that finds an action's ends as expectations
/// over the points beside it. Packed: no padding, no masks. Parameter names are those of the published code.
public final class TriDet: Detector {
    public let configuration: TriDetConfiguration
    private let backbone: SGPBackbone
    private let neck: any Neck
    private let classificationHead: ClassificationHead
    private let startHead: ClassificationHead?
    private let endHead: ClassificationHead?
    private let regressionHead: RegressionHead
    private let assigner: CenterSamplingAssigner

    /// The network's outputs for all points of the pyramid, level by level, finest first; within a level video by video.
    public struct Outputs {
        /// The neck's levels, [points of the level, neck dimension].
        public var levels: [PackedSequence]
        /// Where the points of each level and video begin, and the last end.
        public var sequences: [Int]
        /// [points, classes].
        public var logits: Tensor
        /// Boundary logits, [points, classes]; nil without a trident head.
        public var start: Tensor?
        public var end: Tensor?
        /// [points, 2 (bins + 1)], for the start and then for the end; without a trident head distances in strides of the level, [points, 2].
        public var center: Tensor
        /// Logits of the quality branches; nil without them.
        public var quality: QualityLogits?
    }

    /// - Precondition: the configuration has been checked (odd windows and ranges per level, channels that are a multiple of the norm's groups,
    ///   equal widths of an identity neck).
    public init(_ configuration: TriDetConfiguration) {
        let c = configuration
        precondition(c.windows.count == c.levels && c.regressionRanges.count == c.levels)
        self.configuration = c
        backbone = SGPBackbone(c)
        neck = c.neck.make(levels: c.levels, input: c.embeddingDimension, channels: c.neckDimension, hasNorm: c.neckNorm)
        func classifier(kernel: Int) -> ClassificationHead {
            ClassificationHead(
                input: c.neckDimension, channels: c.headDimension, classes: c.classes, layers: c.headLayers, kernel: kernel, hasNorm: c.headNorm,
                priorProbability: c.priorProbability, emptyClasses: c.emptyClasses)
        }
        classificationHead = classifier(kernel: c.headKernel)
        startHead = c.tridentHead ? classifier(kernel: c.boundaryKernel) : nil
        endHead = c.tridentHead ? classifier(kernel: c.boundaryKernel) : nil
        regressionHead = RegressionHead(
            input: c.neckDimension, channels: c.headDimension, outputs: c.tridentHead ? 2 * (c.bins + 1) : 2, levels: c.levels, layers: c.headLayers,
            kernel: c.headKernel, hasNorm: c.headNorm, quality: c.quality.branches)
        assigner = CenterSamplingAssigner(
            classes: c.classes, regressionRanges: c.regressionRanges, sampling: c.centerSampleRadius == nil ? .none : .radius,
            radius: c.centerSampleRadius ?? 0)
    }

    public func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("backbone", backbone)
        visitor.visit("neck", neck)
        visitor.visit("cls_head", classificationHead)
        if let startHead { visitor.visit("start_head", startHead) }
        if let endHead { visitor.visit("end_head", endHead) }
        visitor.visit("reg_head", regressionHead)
    }

    /// - Parameter features: [rows, input dimension], packed.
    public func callAsFunction(_ features: PackedSequence, _ pass: ForwardPass) -> Outputs { heads(pyramid(features, pass), pass) }

    /// The neck's levels alone, finest first. In training the features get their noise here.
    public func pyramid(_ features: PackedSequence, _ pass: ForwardPass) -> [PackedSequence] {
        neck(backbone(pass.isTraining && configuration.inputNoise > 0 ? noisy(features, pass) : features, pass), pass)
    }

    private func noisy(_ features: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        let x = features.tensor, y = Tensor(rows: x.rows, columns: x.columns, requiresGradient: false)
        for i in 0..<x.count { y.values[i] = x.values[i] + configuration.inputNoise * pass.random.normal() }
        return features.with(y)
    }

    /// The heads over the levels that `pyramid` gave. The boundary heads send no gradient below, as published.
    public func heads(_ levels: [PackedSequence], _ pass: ForwardPass) -> Outputs {
        let pyramid = pass.tape.concatenated(levels)
        var levelOffsets = [0]
        for level in levels { levelOffsets.append(levelOffsets[levelOffsets.count - 1] + level.rows) }
        let logits = classificationHead(pyramid, pass)
        let apart = startHead == nil ? pyramid : pass.tape.detached(pyramid)
        let start = startHead?(apart, pass), end = endHead?(apart, pass)
        let (center, quality) = regressionHead(pyramid, levelOffsets: levelOffsets, pass)
        return Outputs(levels: levels, sequences: pyramid.offsets, logits: logits, start: start, end: end, center: center, quality: quality)
    }

    public func points(_ features: PackedSequence) -> PyramidPoints {
        PyramidPoints(rows: (0..<features.count).map { features.rows(of: $0).count }, levels: configuration.levels)
    }

    public func assignTargets(_ batch: PackedBatch) -> PointTargets {
        assigner.assign(points(batch.features), instances: batch.instances)
    }

    public func losses(
        _ batch: PackedBatch, targets: PointTargets, normalizer: Float, tape: Tape, random: inout RandomStream
    ) -> [String: Double] {
        let pass = ForwardPass(tape: tape, isTraining: true, random: random)
        let outputs = self(batch.features, pass)
        random = pass.random
        return seedLosses(outputs, targets: targets, normalizer: normalizer, tape: tape)
    }

    public func detect(_ batch: PackedBatch) -> [[Detection]] { detectWithParts(batch).map { $0.map(\.detection) } }

    /// Like `detect`, and what each score is made of.
    public func detectWithParts(_ batch: PackedBatch) -> [[AssessedDetection]] {
        let outputs = self(batch.features, .inference()), points = points(batch.features)
        let decoder = DetectionDecoder(settings: configuration.detection, classes: configuration.classes)
        let quality = outputs.quality.map { QualityScores($0, settings: configuration.quality) }
        guard let start = outputs.start, let end = outputs.end else {
            return decoder.assessedDetections(
                logits: outputs.logits.values, offsets: outputs.center.values, quality: quality, points: points, videos: batch.videos)
        }
        let head = TridentOffsets(
            start: start.values, end: end.values, center: outputs.center.values, classes: configuration.classes, bins: configuration.bins)
        return withExtendedLifetime(outputs) {
            decoder.assessedDetections(logits: outputs.logits.values, quality: quality, points: points, videos: batch.videos) {
                head.distances(TridentOffsets.Place(row: $0, label: $1, sequence: $2))
            }
        }
    }
}
