import Autograd
import NeuralNetworks
import RandomStreams
import TemporalAnnotations

/// Localizes actions.
public protocol ActionLocalizer: AnyObject {
    /// Final detections per video, best first, in seconds.
    func detect(_ batch: PackedBatch) throws -> [[Detection]]
}

/// A temporal action detector that can be trained and asked: a network, targets for what it says, losses, and their normalisers.
///
/// A detector adopts `AnnotationAssigned` or `OutputAssigned`, which say what its targets depend on. What else it can do it says by the other
/// protocols of `Capabilities.swift`; methods ask for these, not for a detector by name.
public protocol Detector: Module, ActionLocalizer {
    /// What the network says of a batch; it lives at least until the tape has run backward.
    associatedtype Outputs
    associatedtype Targets: DetectorTargets

    /// What the losses are divided by, in the order of `Targets.counts`; at least one.
    var normalizers: [LossNormalizer] { get }

    /// How targets are found.
    var assignment: TargetAssignment<Outputs, Targets> { get }

    /// Runs the network and records its operations.
    ///
    /// - Parameters:
    ///   - features: [rows, input dimension], packed.
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    func callAsFunction(_ features: PackedSequence, _ pass: ForwardPass) -> Outputs

    /// Runs the network on a batch, for detectors that must know which recordings it holds; the others look at the features alone.
    ///
    /// - Parameters:
    ///   - batch: the packed recordings, with their actions in training.
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    func callAsFunction(_ batch: PackedBatch, _ pass: ForwardPass) -> Outputs

    /// Seeds the gradients of the outputs.
    ///
    /// - Parameters:
    ///   - outputs: what the network said.
    ///   - targets: of the same batch.
    ///   - normalizers: in the order of the property.
    ///   - tape: that of the outputs; operations may still be recorded on it.
    /// - Returns: the parts of the loss divided by their normalisers, with `total`, whose gradient is seeded; the same names in every step.
    func seedLosses(_ outputs: Outputs, targets: Targets, normalizers: [Float], tape: Tape) -> [String: Double]

    /// Whether one action of a recording of `rows` rows can be learnt beside the other `instances`; needs no features.
    ///
    /// Asked before the first step, so that a run which can learn nothing is refused. By default everything can be.
    func outlook(of index: Int, among instances: [GridInstance], rows: Int) -> TargetOutlook
}

/// How a detector finds its targets.
public enum TargetAssignment<Outputs, Targets> {
    /// From annotations and lengths alone: counts travel before the forward pass.
    case fromAnnotations((PackedBatch) -> Targets)
    /// From what the network has said too: all shards of a rank run forward first, then counts travel, then losses are seeded.
    case fromOutputs((PackedBatch, Outputs) -> Targets)

    public var needsOutputs: Bool {
        switch self {
        case .fromAnnotations: false
        case .fromOutputs: true
        }
    }

    /// Targets where the outputs are known, whatever they depend on.
    public func targets(_ batch: PackedBatch, _ outputs: Outputs) -> Targets {
        switch self {
        case .fromAnnotations(let assign): assign(batch)
        case .fromOutputs(let assign): assign(batch, outputs)
        }
    }
}

extension Detector {
    /// By the features alone.
    public func callAsFunction(_ batch: PackedBatch, _ pass: ForwardPass) -> Outputs { self(batch.features, pass) }

    public var normalizers: [LossNormalizer] { [LossNormalizer("positives")] }

    /// Whether targets depend on what the network says.
    public var assignsFromOutputs: Bool { assignment.needsOutputs }

    /// No obstacle: a detector whose targets depend on its outputs may not be able to tell in advance.
    public func outlook(of index: Int, among instances: [GridInstance], rows: Int) -> TargetOutlook { TargetOutlook() }

    /// Forward pass, targets and losses of one batch, as a step takes them, without other shards.
    ///
    /// - Parameters:
    ///   - batch: the packed recordings with their actions.
    ///   - normalizers: what the losses are divided by.
    ///   - tape: the operations are recorded here.
    ///   - random: for drop path; moves on.
    public func losses(_ batch: PackedBatch, normalizers: [Float], tape: Tape, random: inout RandomStream) -> [String: Double] {
        let pass = ForwardPass(tape: tape, isTraining: true, random: random)
        let outputs = self(batch, pass)
        var targets = assignment.targets(batch, outputs)
        _ = targets.settle(normalizers.map(Double.init), random: &pass.random)
        random = pass.random
        return seedLosses(outputs, targets: targets, normalizers: normalizers, tape: tape)
    }
}
