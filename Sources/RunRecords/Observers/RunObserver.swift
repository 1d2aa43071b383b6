import DetectionMetrics

/// Is told what happens in a run: the log and the progress bar are observers, so are TensorBoard's event files.
///
/// **Only rank 0 is observed.** The observers given on other ranks are never called, so an observer may not take part in collective calls. It is called
/// by the thread that trains, between two steps: what takes long holds up all ranks.
///
/// An observer that throws ends the run as a full disk does. What it need not know it leaves out: every method has an empty default.
///
/// The order: `runBegins`; for each stage that is not done yet `stageBegins`, records of methods, and for each step `stepEnds`, perhaps a record of
/// steps, perhaps `checkpointSaved`, perhaps `detected` and a record of an evaluation; `trainingEnds`; when the run is evaluated `detected`, and
/// `evaluated` where actions are known; `runEnds`. When the run fails, `runEnds` follows at once.
public protocol RunObserver: AnyObject {
    /// The run begins or continues; its folder is there and belongs to this job.
    func runBegins(_ run: RunStart) throws
    /// A stage begins, or continues at `step` steps done.
    func stageBegins(_ stage: RunStage, step: Int) throws
    /// After every step: keep it short.
    func stepEnds(_ step: StepEnd) throws
    /// Every `training.log_every` steps, at the end of a stage and before the run stops.
    func recorded(_ record: StepRecord) throws
    /// A method has something to say of a stage, such as a round of pseudo-labels.
    func recorded(_ record: any MethodRecord) throws
    /// A checkpoint stands at `path`; with the metrics it is written a second time.
    func checkpointSaved(_ path: String, step: Int) throws
    /// The last step is done, or the run stops early: as asked, or by a signal.
    func trainingEnds(step: Int) throws
    /// Recordings were detected, in an evaluation while the run trains or at its end.
    func detected(_ scores: DetectionScores) throws
    /// `metrics.json` is written.
    func evaluated(_ result: EvaluationResult) throws
    /// Nothing follows. Its errors count only when the run did not fail.
    func runEnds(_ end: RunEnd) throws
}

extension RunObserver {
    public func runBegins(_ run: RunStart) throws {}
    public func stageBegins(_ stage: RunStage, step: Int) throws {}
    public func stepEnds(_ step: StepEnd) throws {}
    public func recorded(_ record: StepRecord) throws {}
    public func recorded(_ record: any MethodRecord) throws {}
    public func checkpointSaved(_ path: String, step: Int) throws {}
    public func trainingEnds(step: Int) throws {}
    public func detected(_ scores: DetectionScores) throws {}
    public func evaluated(_ result: EvaluationResult) throws {}
    public func runEnds(_ end: RunEnd) throws {}
}

/// The observers of a run, called one after another in their order.
public struct RunObservers {
    private let all: [any RunObserver]

    /// - Parameters:
    ///   - observers: those that are told, in this order.
    ///   - isRoot: on other ranks nobody is told anything.
    public init(_ observers: [any RunObserver], isRoot: Bool) { all = isRoot ? observers : [] }

    /// - Throws: what the first observer throws; those after it are not told.
    public func tell(_ event: (any RunObserver) throws -> Void) rethrows { for observer in all { try event(observer) } }
}
