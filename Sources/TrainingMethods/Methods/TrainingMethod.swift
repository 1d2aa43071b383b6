import Detectors
import NeuralNetworks
import Sampling

/// A part of a run with a learning rate of its own. What is trained, and on what, may change between stages.
public struct TrainingStage: Equatable, Sendable {
    public var name: String
    /// Steps.
    public var iterations: Int
    public var schedule: LearningRateSchedule
    /// The schedule's iteration at the stage's first step: stages may share one schedule.
    public var firstIteration: Int
    /// False: the detector's weights stay as they are; the method trains something else within its step, and says its gradient's norm
    /// (`TrainingStep.gradientNorm`).
    public var trainsDetector: Bool

    /// `iterations` are steps; `name` stands in the log.
    public init(
        _ name: String, iterations: Int, schedule: LearningRateSchedule, firstIteration: Int = 0, trainsDetector: Bool = true
    ) {
        self.trainsDetector = trainsDetector
        self.name = name
        self.iterations = iterations
        self.schedule = schedule
        self.firstIteration = firstIteration
    }
}

/// A training method: it decides which recordings and labels a step sees, and computes the loss. The trainer does the rest.
///
/// Every answer must be a function of the position and the method's saved state, so that ranks and resuming change no bit.
public protocol TrainingMethod: AnyObject {
    /// Steps in which about every recording is seen once: the unit of `training.epochs`.
    var iterationsPerEpoch: Int { get }
    /// The parts of the run, one after another, none empty.
    var stages: [TrainingStage] { get }
    /// The recordings of a shard at a step, group by group (labelled ones, unlabelled ones): as many groups for every shard.
    func videos(at position: StepPosition) -> [[TrainingVideo]]
    /// Whether the detector, or a part of it, is made anew between stages: then it begins with `TrainingState.starting` where that is not nil.
    var restartsDetector: Bool { get }
    /// Computes the losses and the gradients of the rank's shards; all ranks call it together. What is trained beside the detector is trained here.
    ///
    /// - Returns: for each owned shard the parts of the loss, `total` among them; the same names for every shard.
    func step(_ step: TrainingStep) throws -> [[String: Double]]
    /// Looks, before the first step and without features, whether there is something to learn.
    ///
    /// - Returns: lines for the user, such as `warning: ...` with counts of what can never be learnt.
    /// - Throws: `Failure.badInput` when nothing can.
    func review() throws -> [String]
    /// Called on all ranks together before training begins or continues, after `restore`.
    func prepare(_ run: RunContext) throws
    /// Called on all ranks together before the first step of a stage; not when a run continues within one.
    func begin(stage: Int, _ run: RunContext) throws
    /// Called on all ranks together after the last step of a stage, before the checkpoint of that step.
    func end(stage: Int, _ run: RunContext) throws
    /// Called in place of `begin` where a few steps of a stage are only measured: labels that earlier stages would have made are missing.
    func beginTrial(stage: Int) throws
    /// What detects when the run is evaluated.
    func localizer(_ detector: any Detector) -> any ActionLocalizer
    /// What a checkpoint must keep for this method; the same on all ranks.
    var state: [String: [UInt8]] { get }
    /// What is learnt beside the detector; compared between ranks.
    var learntArrays: [UnsafeBufferPointer<Float>] { get }
    /// What the method holds in memory beside the detector's training; called before anything is allocated for the run.
    func memoryDemand(_ planner: MemoryPlanner) -> MemoryDemand
    /// What detection with `localizer` holds, where that is not the detector.
    func localizerDemand(_ planner: MemoryPlanner, evaluated: [Int]) -> MemoryEstimate.Phase?
    /// - Throws: `Failure.badInput` when the state is not this method's.
    func restore(_ state: [String: [UInt8]]) throws
}

extension TrainingMethod {
    /// No lines for the user.
    public func review() throws -> [String] { [] }
    /// The detector of the first step is trained to the end.
    public var restartsDetector: Bool { false }
    /// Nothing beside the detector is trained.
    public func prepare(_ run: RunContext) throws {}
    /// Stages differ in nothing but their schedules.
    public func begin(stage: Int, _ run: RunContext) throws {}
    /// Nothing is left to do after a stage's last step.
    public func end(stage: Int, _ run: RunContext) throws {}
    /// Nothing is missing.
    public func beginTrial(stage: Int) throws {}
    /// The trained detector itself.
    public func localizer(_ detector: any Detector) -> any ActionLocalizer { detector }
    public var state: [String: [UInt8]] { [:] }
    public var learntArrays: [UnsafeBufferPointer<Float>] { [] }
    /// Nothing to take up: `state` is empty.
    public func restore(_ state: [String: [UInt8]]) throws {}
}
