import Autograd
import NeuralNetworks
import RandomStreams
import TemporalAnnotations

/// ActionFormer (arXiv 2202.07925): a transformer over a feature pyramid, whose every point classifies the action it lies in and says how far its
/// ends are. Packed: no padding, no masks. Parameter names are those of the published code.
public final class ActionFormer: Detector {
    public let configuration: ActionFormerConfiguration
    private let backbone: ConvTransformerBackbone
    private let neck: any Neck
    private let classificationHead: ClassificationHead
    private let regressionHead: RegressionHead
    private let assigner: CenterSamplingAssigner

    /// The network's outputs for all points of the pyramid, level by level, finest first; within a level video by video.
    public struct Outputs {
        /// The neck's levels, [points of the level, neck dimension].
        public var levels: [PackedSequence]
        /// [points, classes].
        public var logits: Tensor
        /// Distances to start and end in strides of the level, [points, 2].
        public var offsets: Tensor
        /// Logits of the quality branches; nil without them.
        public var quality: QualityLogits?
    }

    /// - Precondition: the configuration has been checked (windows and ranges per level, heads dividing the channels, equal widths of an identity neck).
    public init(_ configuration: ActionFormerConfiguration) {
        let c = configuration
        precondition(c.windows.count == c.levels && c.regressionRanges.count == c.levels)
        self.configuration = c
        backbone = ConvTransformerBackbone(c)
        neck = c.neck.make(levels: c.levels, input: c.embeddingDimension, channels: c.neckDimension, hasNorm: c.neckNorm)
        classificationHead = ClassificationHead(
            input: c.neckDimension, channels: c.headDimension, classes: c.classes, layers: c.headLayers, kernel: c.headKernel,
            hasNorm: c.headNorm, priorProbability: c.priorProbability, emptyClasses: c.emptyClasses)
        regressionHead = RegressionHead(
            input: c.neckDimension, channels: c.headDimension, levels: c.levels, layers: c.headLayers, kernel: c.headKernel, hasNorm: c.headNorm,
            quality: c.quality.branches)
        assigner = CenterSamplingAssigner(
            classes: c.classes, regressionRanges: c.regressionRanges, sampling: c.centerSampleRadius == nil ? .none : .radius,
            radius: c.centerSampleRadius ?? 0)
    }

    public func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("backbone", backbone)
        visitor.visit("neck", neck)
        visitor.visit("cls_head", classificationHead)
        visitor.visit("reg_head", regressionHead)
    }

    /// - Parameter features: [rows, input dimension], packed.
    public func callAsFunction(_ features: PackedSequence, _ pass: ForwardPass) -> Outputs { heads(pyramid(features, pass), pass) }

    /// The neck's levels alone, finest first: what pre-training without labels needs.
    public func pyramid(_ features: PackedSequence, _ pass: ForwardPass) -> [PackedSequence] { neck(backbone(features, pass), pass) }

    /// The heads over the levels that `pyramid` gave.
    public func heads(_ levels: [PackedSequence], _ pass: ForwardPass) -> Outputs {
        let pyramid = pass.tape.concatenated(levels)
        var levelOffsets = [0]
        for level in levels { levelOffsets.append(levelOffsets[levelOffsets.count - 1] + level.rows) }
        let logits = classificationHead(pyramid, pass)
        let (offsets, quality) = regressionHead(pyramid, levelOffsets: levelOffsets, pass)
        return Outputs(levels: levels, logits: logits, offsets: offsets, quality: quality)
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
        return seedLosses(outputs, targets: targets, normalizer: normalizer)
    }

    /// Seeds the gradients of the heads' outputs.
    ///
    /// - Returns: `classification`, `regression`, with quality branches `localization`, and `total`, the weighted sum; all divided by the normaliser.
    public func seedLosses(_ outputs: Outputs, targets: PointTargets, normalizer: Float) -> [String: Double] {
        let c = configuration
        let regression = PointLosses.regression(
            outputs.offsets, targets: targets.offsets, positives: targets.positives, weight: c.regressionWeight, normalizer: normalizer)
        guard let quality = outputs.quality else {
            let classification = PointLosses.classification(
                outputs.logits, targets: targets.classes, labelSmoothing: c.labelSmoothing, normalizer: normalizer)
            return [
                "classification": classification, "regression": regression, "total": classification + Double(c.regressionWeight) * regression,
            ]
        }
        let (classification, localization) = QualityLosses.seed(
            logits: outputs.logits, offsets: outputs.offsets, quality: quality, targets: targets, settings: c.quality,
            labelSmoothing: c.labelSmoothing, normalizer: normalizer)
        return [
            "classification": classification, "regression": regression, "localization": localization,
            "total": classification + Double(c.regressionWeight) * regression + Double(c.quality.localizationWeight) * localization,
        ]
    }

    public func detect(_ batch: PackedBatch) -> [[Detection]] { detectWithParts(batch).map { $0.map(\.detection) } }

    /// Like `detect`, and what each score is made of.
    public func detectWithParts(_ batch: PackedBatch) -> [[AssessedDetection]] {
        let outputs = self(batch.features, .inference())
        return DetectionDecoder(settings: configuration.detection, classes: configuration.classes).assessedDetections(
            logits: outputs.logits.values, offsets: outputs.offsets.values,
            quality: outputs.quality.map { QualityScores($0, settings: configuration.quality) }, points: points(batch.features), videos: batch.videos)
    }
}
