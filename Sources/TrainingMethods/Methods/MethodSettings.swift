import Configuration
import Detectors
import FeatureStore
import RunRecords
import Sampling

/// A method's sections of the configuration, and how the method is made of them.
///
/// This is all that the rest of the program knows of a method before it is made: a method is registered by the type of its settings. `visit` names
/// whole sections (`keys.section`); they are read and written whatever the method of the run is.
public protocol MethodSettings: ConfigurationSection {
    /// The value of `method.name`: lower-case letters and digits.
    static var name: String { get }
    /// What is learnt from, for the documentation of `method.name`.
    static var summary: String { get }
    /// False: classes without segments are enough.
    static var needsSegments: Bool { get }
    /// Whether what is detected in training decides what is learnt: then the keys of `test` belong to the run.
    static var learnsFromDetections: Bool { get }

    /// Whether the recordings of a step may pass in parts (`training.accumulate`): no loss looks at several of them.
    static var accumulates: Bool { get }

    /// Whether `data.window_stride` has an effect; otherwise it is refused.
    static var usesWindows: Bool { get }

    /// What the method did before keys existed whose defaults do otherwise, by the keys' full names: runs that do not name them did that.
    static var earlierValues: [String: String] { get }

    /// Whether a detector is trained, so that the length in `training` must be given.
    var trainsDetector: Bool { get }
    /// The stage whose length is that of `training`.
    var mainStage: String { get }
    /// The key that holds the warm-up of a stage, by its full name; nil: that of `training`.
    func warmupKey(ofStage name: String) -> String?
    /// Whether training moves actions along their recordings.
    var movesActions: Bool { get }
    /// The branches that the method adds to the detector's heads.
    var quality: QualitySettings { get }

    /// How many labelled recordings nothing is learnt from, since the run judges itself by them: the last ones in the order of their choice.
    ///
    /// - Parameter labeled: how many there are.
    func heldOutCount(labeled: Int) -> Int

    /// The stages of a run, as far as they can be told without its recordings.
    func outline(_ run: RunConfiguration, _ counts: RecordingCounts) -> [StageOutline]

    /// Checks that look at several keys; called when the run uses the method.
    ///
    /// - Throws: `Failure`, made by `keys.refusal`.
    func check(_ run: RunConfiguration, _ keys: ConfigurationKeys) throws

    /// What a run has beside its metrics, for the tables of comparisons.
    ///
    /// - Parameter folder: of a run that is done.
    static func measures(inFolder folder: String) throws -> [RunMeasure]

    /// - Throws: `Failure` when the method cannot train the detector, or not on these recordings.
    func make(
        _ run: RunConfiguration, store: FeatureStore, detector: any Detector, recordings: TrainingRecordings
    ) throws -> any TrainingMethod
}

extension MethodSettings {
    public static var needsSegments: Bool { true }
    public static var learnsFromDetections: Bool { false }
    public static var accumulates: Bool { false }
    public static var usesWindows: Bool { false }
    public static var earlierValues: [String: String] { [:] }
    public var trainsDetector: Bool { true }
    public var mainStage: String { "training" }
    /// nil: the stage's warm-up has no key in the method's sections.
    public func warmupKey(ofStage name: String) -> String? { nil }
    public var movesActions: Bool { false }
    public var quality: QualitySettings { QualitySettings() }
    /// All are learnt from.
    public func heldOutCount(labeled: Int) -> Int { 0 }
    /// One stage over the labelled recordings.
    public func outline(_ run: RunConfiguration, _ counts: RecordingCounts) -> [StageOutline] {
        let batch = run.data.batchSize, epoch = counts.epoch(.labeled, perStep: batch)
        return [StageOutline(mainStage, iterations: run.iterations(perEpoch: epoch), shares: [.init(.labeled, perStep: batch)])]
    }
    /// Accepts everything.
    public func check(_ run: RunConfiguration, _ keys: ConfigurationKeys) throws {}
    /// No measures beside those of every run.
    public static func measures(inFolder folder: String) throws -> [RunMeasure] { [] }

    public var name: String { Self.name }
}
