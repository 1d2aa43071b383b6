import Autograd

/// The outputs of a detector whose every point regresses distances to an action's ends that do not depend on the class.
public struct RegressedOutputs: PyramidOutputs {
    public var levels: [PackedSequence]
    public var logits: Tensor
    /// Distances to start and end in strides of the level, [points, 2].
    public var offsets: Tensor
    public var quality: QualityLogits?

    /// `levels` finest first; `logits` [points, classes]; the points of all levels packed one after another.
    public init(levels: [PackedSequence], logits: Tensor, offsets: Tensor, quality: QualityLogits?) {
        self.levels = levels
        self.logits = logits
        self.offsets = offsets
        self.quality = quality
    }

    public var predictions: [Tensor] { [logits, offsets] + (quality?.tensors ?? []) }
}

extension PyramidDetector where Outputs == RegressedOutputs {
    /// Focal loss and DIoU; with quality branches ALQA's losses.
    public func seedLosses(_ outputs: Outputs, targets: PointTargets, normalizer: Float, tape _: Tape) -> [String: Double] {
        seedLosses(outputs, offsets: outputs.offsets, targets: targets, normalizer: normalizer)
    }

    /// The regressed offsets, equal for all classes.
    public func distances(_ outputs: Outputs) -> DetectionDecoder.Distances { DetectionDecoder.regressed(outputs.offsets.values) }
}
