import Autograd
import Detectors
import NeuralNetworks
import Sampling

/// One version of a shard's recordings that a detector learns from in a step: a group of the batch, or one of several views of a group (weakly and
/// strongly augmented), with labels of its own.
public struct LearningView {
    public var batch: PackedBatch
    /// The mixture that the batch is, for its targets; nil: nothing is mixed in. With it the detector must be a `PointClassifier`.
    public var mixture: Mixture?
    /// Of the random stream that the network draws from: another for every view of a step.
    public var purpose: String
    /// Stands before the names of the view's losses; losses of one name are added up.
    public var prefix: String
    /// Factor of the view's losses in the total; they are recorded without it.
    public var weight: Double
    /// Makes the features that the network sees out of the batch's, when the forward pass begins; rows keep their places in time. nil: the batch's.
    public var augment: ((PackedSequence) -> PackedSequence)?

    /// - Parameters:
    ///   - batch: features and labels; with `weights` the detector must have `WeightedTargets`.
    ///   - purpose: names the random stream of the view's forward pass.
    ///   - prefix: before the names of the view's losses.
    ///   - weight: above 0.
    ///   - mixture: that the batch is; nil: nothing is mixed in.
    ///   - augment: makes the features that the network sees; nil: the batch's.
    public init(
        _ batch: PackedBatch, purpose: String = "forward", prefix: String = "", weight: Double = 1, mixture: Mixture? = nil,
        augment: ((PackedSequence) -> PackedSequence)? = nil
    ) {
        self.batch = batch
        self.purpose = purpose
        self.prefix = prefix
        self.weight = weight
        self.mixture = mixture
        self.augment = augment
    }
}

/// What a method adds to the ordinary step of a detector (`TrainingStep.learn`). Places of shards are counted from the rank's first.
public struct LearningRules<D: Detector> {
    /// Moves the running normalisers; takes for each view the counts over all shards and ranks, gives what each view's losses are divided by.
    /// nil: the state's normalisers move by the sums over all views, which they divide alike.
    public var normalizers: ((_ counts: [[Double]]) -> [[Float]])?
    /// Called when a view's outputs are known: records and seeds further losses on them. Gives their parts, and what they add to `total`.
    public var further: ((_ shard: Int, _ view: Int, _ outputs: D.Outputs, _ pass: ForwardPass) throws -> [String: Double])?
    /// Called when all shards of the rank have run forward, before the first runs backward: seeds losses over all ranks, adds to each shard's parts.
    public var together: ((_ losses: inout [[String: Double]]) throws -> Void)?

    /// The ordinary step: every property nil.
    public init() {}
}
