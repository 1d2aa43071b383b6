import Autograd
import Detectors
import NeuralNetworks

/// A detector over a pyramid that finds its targets from annotations, trained as if it needed the outputs for them.
public final class LateAssigned<Base: PyramidDetector & AnnotationAssigned>: PyramidDetector, OutputAssigned {
    public typealias Configuration = Base.Configuration
    public typealias Outputs = Base.Outputs
    private let base: Base

    public init(_ base: Base) { self.base = base }

    public var configuration: Base.Configuration { base.configuration }
    public func visitParameters(_ visitor: ParameterVisitor) { base.visitParameters(visitor) }
    public func pyramid(_ features: PackedSequence, _ pass: ForwardPass) -> [PackedSequence] { base.pyramid(features, pass) }
    public func heads(_ levels: [PackedSequence], _ pass: ForwardPass) -> Outputs { base.heads(levels, pass) }
    public func assignTargets(_ batch: PackedBatch, outputs: Outputs) -> PointTargets { base.assignTargets(batch) }
    public func seedLosses(_ outputs: Outputs, targets: PointTargets, normalizer: Float, tape: Tape) -> [String: Double] {
        base.seedLosses(outputs, targets: targets, normalizer: normalizer, tape: tape)
    }
    public func distances(_ outputs: Outputs) -> DetectionDecoder.Distances { base.distances(outputs) }
}
