import Autograd
import Detectors
import Kernels
import NeuralNetworks

/// TriDet (arXiv 2303.07347): scalable-granularity perception over a feature pyramid, and a trident head that finds an action's ends as expectations
/// over the points beside it. Packed: no padding, no masks. Parameter names are those of the published code.
public final class TriDet: PyramidDetector, AnnotationAssigned {
    public let configuration: TriDetConfiguration
    private let backbone: PyramidBackbone
    private let neck: any Neck
    private let classificationHead: ClassificationHead
    private let startHead: ClassificationHead?
    private let endHead: ClassificationHead?
    private let regressionHead: RegressionHead

    /// What the heads say of all points.
    public struct Outputs: PyramidOutputs {
        public var levels: [PackedSequence]
        /// Where the points of each level and video begin, and the last end.
        public var sequences: [Int]
        public var logits: Tensor
        /// Boundary logits, [points, classes]; nil without a trident head.
        public var start: Tensor?
        public var end: Tensor?
        /// [points, 2 (bins + 1)], for the start and then for the end; without a trident head distances in strides of the level, [points, 2].
        public var center: Tensor
        public var quality: QualityLogits?
        public var predictions: [Tensor] { [logits, center] + [start, end].compactMap { $0 } + (quality?.tensors ?? []) }
    }

    /// - Precondition: the configuration has been checked (odd windows and ranges per level, norm groups, equal widths of an identity neck).
    public init(_ configuration: TriDetConfiguration) {
        let c = configuration, shared = configuration.pyramid
        precondition(c.windows.count == shared.levels && shared.regressionRanges.count == shared.levels)
        self.configuration = c
        func block(window: Int, stride: Int, dropPath: Float) -> SGPBlock {
            SGPBlock(
                channels: shared.embeddingDimension, hidden: c.hiddenDimension, window: window, factor: c.windowFactor, stride: stride,
                dropPath: dropPath, deviation: c.branchDeviation, downsampling: c.downsampling)
        }
        // The published stem has kernel 1 and no drop path.
        backbone = PyramidBackbone(shared) {
            block(window: 1, stride: 1, dropPath: 0)
        } branchBlock: {
            block(window: c.windows[$0], stride: 2, dropPath: shared.dropPath)
        }
        neck = shared.makeNeck()
        classificationHead = shared.makeClassificationHead(kernel: shared.headKernel)
        startHead = c.tridentHead ? shared.makeClassificationHead(kernel: c.boundaryKernel) : nil
        endHead = c.tridentHead ? shared.makeClassificationHead(kernel: c.boundaryKernel) : nil
        regressionHead = shared.makeRegressionHead(outputs: c.tridentHead ? 2 * (c.bins + 1) : 2)
    }

    /// Without the trident head there are no `start_head` and `end_head`.
    public func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("backbone", backbone)
        visitor.visit("neck", neck)
        visitor.visit("cls_head", classificationHead)
        if let startHead { visitor.visit("start_head", startHead) }
        if let endHead { visitor.visit("end_head", endHead) }
        visitor.visit("reg_head", regressionHead)
    }

    /// In training the features get their noise here.
    public func pyramid(_ features: PackedSequence, _ pass: ForwardPass) -> [PackedSequence] {
        neck(backbone(pass.isTraining && configuration.inputNoise > 0 ? noisy(features, pass) : features, pass), pass)
    }

    private func noisy(_ features: PackedSequence, _ pass: ForwardPass) -> PackedSequence {
        let x = features.tensor, y = Tensor(rows: x.rows, columns: x.columns, requiresGradient: false)
        for i in 0..<x.count where !Rehearsal.isRunning { y.values[i] = x.values[i] + configuration.inputNoise * pass.random.normal() }
        return features.with(y)
    }

    /// The boundary heads send no gradient below, as published.
    public func heads(_ levels: [PackedSequence], _ pass: ForwardPass) -> Outputs {
        let (pyramid, levelOffsets) = concatenated(levels, pass)
        let logits = classificationHead(pyramid, pass)
        let apart = startHead == nil ? pyramid : pass.tape.detached(pyramid)
        let start = startHead?(apart, pass), end = endHead?(apart, pass)
        let (center, quality) = regressionHead(pyramid, levelOffsets: levelOffsets, pass)
        return Outputs(levels: levels, sequences: pyramid.offsets, logits: logits, start: start, end: end, center: center, quality: quality)
    }

    /// The trident head's expectation over bins, which depends on the class; without it the regressed offsets.
    public func distances(_ outputs: Outputs) -> DetectionDecoder.Distances {
        guard let start = outputs.start, let end = outputs.end else { return DetectionDecoder.regressed(outputs.center.values) }
        let head = TridentOffsets(
            start: start.values, end: end.values, center: outputs.center.values, classes: configuration.classes, bins: configuration.bins)
        return { head.distances(TridentOffsets.Place(row: $0, label: $1, sequence: $2)) }
    }
}
