import Autograd
import Detectors
import NeuralNetworks

/// The parts of a detector over a pyramid whose every point regresses distances that do not depend on the class. Parameters carry the published names.
final class RegressedNetwork: Module {
    private let backbone: PyramidBackbone
    private let neck: any Neck
    private let classificationHead: ClassificationHead
    private let regressionHead: RegressionHead

    /// - Parameters:
    ///   - shared: shapes of the heads.
    ///   - backbone: from features to the levels.
    ///   - neck: nil: the one that `shared` says.
    init(_ shared: PyramidConfiguration, backbone: PyramidBackbone, neck: (any Neck)? = nil) {
        self.backbone = backbone
        self.neck = neck ?? shared.makeNeck()
        classificationHead = shared.makeClassificationHead(kernel: shared.headKernel)
        regressionHead = shared.makeRegressionHead()
    }

    func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("backbone", backbone)
        visitor.visit("neck", neck)
        visitor.visit("cls_head", classificationHead)
        visitor.visit("reg_head", regressionHead)
    }

    func pyramid(_ features: PackedSequence, _ pass: ForwardPass) -> [PackedSequence] { neck(backbone(features, pass), pass) }

    func heads(_ levels: [PackedSequence], _ pass: ForwardPass) -> RegressedOutputs {
        let (pyramid, levelOffsets) = concatenated(levels, pass)
        let logits = classificationHead(pyramid, pass)
        let (offsets, quality) = regressionHead(pyramid, levelOffsets: levelOffsets, pass)
        return RegressedOutputs(levels: levels, logits: logits, offsets: offsets, quality: quality)
    }
}
