import Autograd
import NeuralNetworks
import TemporalAnnotations

// What a detector can do beyond `Detector`. A method names those that it needs; a detector that lacks one is refused before the first step.

/// Targets depend on annotations and lengths alone.
public protocol AnnotationAssigned: Detector {
    func assignTargets(_ batch: PackedBatch) -> Targets
}

extension AnnotationAssigned {
    public var assignment: TargetAssignment<Outputs, Targets> { .fromAnnotations { self.assignTargets($0) } }
}

/// Targets depend on what the network says, too (SimOTA).
public protocol OutputAssigned: Detector {
    /// - Parameters:
    ///   - batch: the packed recordings with their actions.
    ///   - outputs: of the batch's features; their values are read, nothing is recorded.
    func assignTargets(_ batch: PackedBatch, outputs: Outputs) -> Targets
}

extension OutputAssigned {
    public var assignment: TargetAssignment<Outputs, Targets> { .fromOutputs { self.assignTargets($0, outputs: $1) } }
}

/// A detector over a pyramid of features, or over one level of them, for losses on the levels themselves (contrastive learning).
public protocol LevelFeatures: Detector {
    /// Levels there are.
    var levelCount: Int { get }
    /// Columns of every level.
    var levelColumns: Int { get }
    /// Beginnings of the names of the parameters that the levels depend on.
    var levelParameters: [String] { get }

    /// The levels, finest first, each half as long as the one before (rounded up); the first as long as the features.
    ///
    /// - Parameters:
    ///   - features: [rows, input dimension], packed.
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    func pyramid(_ features: PackedSequence, _ pass: ForwardPass) -> [PackedSequence]

    /// The levels that outputs were made of, like those of `pyramid`.
    ///
    /// - Parameters:
    ///   - outputs: of the forward pass.
    ///   - pass: that of the outputs; operations may be recorded on its tape.
    func levels(_ outputs: Outputs, _ pass: ForwardPass) -> [PackedSequence]
}

/// Rows of a contrast, recording by recording.
public struct ContrastedRows {
    /// What is known of a row's class.
    public enum RowClass: Equatable, Sendable {
        case action(Int)
        case background
        /// It takes no part.
        case unknown
    }

    /// [rows, columns]; recordings may have none.
    public var embedding: PackedSequence
    /// What the rows are clustered by, [rows, columns of the features]; empty where their classes are known.
    public var inputs: [Float]
    /// Of each recording's rows; empty where they are clustered.
    public var classes: [[RowClass]]

    /// - Parameters:
    ///   - embedding: what is contrasted.
    ///   - inputs: one row for each, or empty.
    ///   - classes: one for each, or empty.
    public init(embedding: PackedSequence, inputs: [Float], classes: [[RowClass]]) {
        self.embedding = embedding
        self.inputs = inputs
        self.classes = classes
    }
}

/// A detector of proposals, for contrast between these instead of rows of a level.
public protocol ContrastedProposals: Detector {
    /// Columns of what is contrasted.
    var contrastedColumns: Int { get }
    /// Beginnings of the names of the parameters that it depends on.
    var contrastedParameters: [String] { get }

    /// Proposals of every recording without their labels, for pre-training.
    ///
    /// - Parameters:
    ///   - batch: the packed recordings.
    ///   - most: so many of each recording, drawn from the pass's random numbers; all where there are fewer.
    ///   - pass: of a training step.
    func contrasted(_ batch: PackedBatch, most: Int, _ pass: ForwardPass) -> ContrastedRows

    /// The proposals that outputs were made of, with the classes that they have in training.
    ///
    /// - Parameters:
    ///   - outputs: of the forward pass.
    ///   - pass: that of the outputs; operations may be recorded on its tape.
    func contrasted(_ outputs: Outputs, _ pass: ForwardPass) -> ContrastedRows

    /// Goes over the shapes of `contrasted(_:most:_:)` alone (`Rehearsal`).
    ///
    /// - Returns: what would be contrasted.
    func rehearseContrasted(_ features: PackedSequence, most: Int, _ pass: ForwardPass) -> Tensor
}

/// A detector whose every point of a pyramid classifies the action that it lies in.
public protocol PointClassifier: Detector where Targets == PointTargets {
    func points(_ features: PackedSequence) -> PyramidPoints

    /// [points, classes]; further operations on them may be recorded.
    func classLogits(_ outputs: Outputs) -> Tensor
}

/// A localizer whose predictions can become labels.
public protocol CandidateLocalizer: ActionLocalizer {
    /// Per recording what labels are chosen from, best first, each with the score that the choice looks at, and what it is made of. The score may be
    /// another than that of `detect`; it is not too small to be compared with a threshold of `P_cls P_diou`.
    func labelCandidates(_ batch: PackedBatch) throws -> [[AssessedDetection]]
}

/// A localizer that says what the scores of its detections are made of, and whose recordings can be detected in pieces.
public protocol AssessedLocalizer: CandidateLocalizer {
    /// Like `detect`, and what each score is made of.
    func detectWithParts(_ batch: PackedBatch) throws -> [[AssessedDetection]]
}

extension AssessedLocalizer {
    /// The detections.
    public func labelCandidates(_ batch: PackedBatch) throws -> [[AssessedDetection]] { try detectWithParts(batch) }
}

/// A detector that heeds `PackedBatch.weights`: the losses of a point or cell are multiplied by the weight of the label it answers for, by 0 in
/// ignored regions; what is summed over ranks are the weights. With weights of 1 nothing changes, not even a bit.
public protocol WeightedTargets: Detector {}

/// A detector that can go over shapes alone (`Rehearsal`), so that the memory of its steps and of its detection is known in advance.
///
/// A detector that does not adopt it can be trained nevertheless; its activations are then left out of the estimate of a run's memory.
public protocol RehearsedDetector: Detector {
    /// Takes the gradient (`gradientToWrite`) of every output whose gradient the losses seed; reads and writes no value.
    func rehearseGradients(_ outputs: Outputs)
}

extension RehearsedDetector {
    /// Runs the network, and where the tape records takes every gradient that the losses seed; reads and writes no value.
    ///
    /// - Parameters:
    ///   - features: [rows, input dimension], packed; without values.
    ///   - pass: whether it is training, the tape, and where random numbers come from.
    @discardableResult public func rehearse(_ features: PackedSequence, _ pass: ForwardPass) -> Outputs {
        let outputs = self(features, pass)
        if pass.tape.isRecording { rehearseGradients(outputs) }
        return outputs
    }
}

/// A recording whose actions are learnt.
public struct LabelledRecording: Sendable {
    public var context: VideoContext
    /// In seconds.
    public var instances: [ActionInstance]

    /// - Parameters:
    ///   - context: the recording.
    ///   - instances: its actions, in seconds.
    public init(context: VideoContext, instances: [ActionInstance]) {
        self.context = context
        self.instances = instances
    }
}

/// A detector that refines proposals which it is given, and takes figures from all of them before the first step.
public protocol ProposalRefiner: Detector {
    /// Of the proposals: the same on all ranks, or they would refine different ones.
    var proposalDigest: String { get }

    /// Takes made-up proposals of every recording in place of its own: for measurements, on recordings that are made up too.
    func makeUpProposals()

    /// Called before the first step of a run, when the parameters have their initial values.
    ///
    /// - Throws: `Failure` (`.badInput`) where there are no proposals of a recording.
    func prepare(labeled: [LabelledRecording]) throws

    /// Called before detection.
    ///
    /// - Throws: `Failure` (`.badInput`) where there are no proposals of a recording.
    func requireProposals(of videos: [VideoContext]) throws
}

/// A localizer that joins what another detector of its kind says of the same recordings, from other features: two streams.
public protocol StreamJoiner: ActionLocalizer {
    /// Final detections per video, best first, in seconds.
    ///
    /// - Parameters:
    ///   - batch: what this detector sees.
    ///   - other: the other detector.
    ///   - otherBatch: what it sees: the same recordings in the same order.
    ///   - weight: of what the other says; what this one says weighs 1.
    /// - Throws: `Failure` for a detector of another kind, and as `detect`.
    func detect(_ batch: PackedBatch, with other: any Detector, _ otherBatch: PackedBatch, weight: Double) throws -> [[Detection]]
}
