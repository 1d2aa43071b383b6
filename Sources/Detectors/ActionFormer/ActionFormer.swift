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
    }

    /// - Precondition: the configuration has been checked (windows and ranges per level, heads dividing the channels, equal widths of an identity neck).
    public init(_ configuration: ActionFormerConfiguration) {
        let c = configuration
        precondition(c.windows.count == c.levels && c.regressionRanges.count == c.levels)
        self.configuration = c
        backbone = ConvTransformerBackbone(c)
        switch c.neck {
        case .identity:
            precondition(c.neckDimension == c.embeddingDimension)
            neck = IdentityNeck(levels: c.levels, channels: c.neckDimension, hasNorm: c.neckNorm)
        case .fpn:
            neck = FeaturePyramidNeck(levels: c.levels, input: c.embeddingDimension, channels: c.neckDimension, hasNorm: c.neckNorm)
        }
        classificationHead = ClassificationHead(
            input: c.neckDimension, channels: c.headDimension, classes: c.classes, layers: c.headLayers, kernel: c.headKernel,
            hasNorm: c.headNorm, priorProbability: c.priorProbability, emptyClasses: c.emptyClasses)
        regressionHead = RegressionHead(
            input: c.neckDimension, channels: c.headDimension, levels: c.levels, layers: c.headLayers, kernel: c.headKernel, hasNorm: c.headNorm)
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
    public func callAsFunction(_ features: PackedSequence, _ pass: ForwardPass) -> Outputs {
        let levels = neck(backbone(features, pass), pass)
        let pyramid = pass.tape.concatenated(levels)
        var levelOffsets = [0]
        for level in levels { levelOffsets.append(levelOffsets[levelOffsets.count - 1] + level.rows) }
        return Outputs(
            levels: levels, logits: classificationHead(pyramid, pass), offsets: regressionHead(pyramid, levelOffsets: levelOffsets, pass))
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
        let classification = PointLosses.classification(
            outputs.logits, targets: targets.classes, labelSmoothing: configuration.labelSmoothing, normalizer: normalizer)
        let regression = PointLosses.regression(
            outputs.offsets, targets: targets.offsets, positives: targets.positives, weight: configuration.regressionWeight, normalizer: normalizer)
        return [
            "classification": classification, "regression": regression,
            "total": classification + Double(configuration.regressionWeight) * regression,
        ]
    }

    public func detect(_ batch: PackedBatch) -> [[Detection]] {
        let outputs = self(batch.features, .inference())
        return DetectionDecoder(settings: configuration.detection, classes: configuration.classes).detections(
            logits: outputs.logits.values, offsets: outputs.offsets.values, points: points(batch.features), videos: batch.videos)
    }
}
