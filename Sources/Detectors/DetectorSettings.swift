import Configuration
import PostProcessing

/// What shapes a detector besides its own keys: keys of the sections `training` and `test`, and what the method adds.
public struct DetectorOptions: Equatable, Sendable {
    public var dropout: Float = 0
    public var dropPath: Float = 0.1
    /// In units of the level's stride; nil: anywhere inside the segment.
    public var centerSampleRadius: Float? = 1.5
    public var labelSmoothing: Float = 0
    /// Factor of the regression loss.
    public var regressionWeight: Float = 1
    /// Probability the classifiers begin with.
    public var priorProbability: Float = 0.01
    /// Classes without data, whose bias begins at -log((1 - 1e-6) / 1e-6).
    public var emptyClasses: [Int] = []
    /// [classes], factors of the classes' terms in the classification loss; nil: all 1.
    public var classWeights: [Float]?
    /// Branches that assess predicted segments; a detector without a place for them ignores them.
    public var quality = QualitySettings()
    public var detection = DetectionSettings()

    /// Center sampling within 1.5 strides, drop path of 0.1, no dropout, no quality branches.
    public init() {}
}

/// What to change in the settings: keys with their full names, and words.
public struct SettingAdvice: Equatable, Sendable {
    public var keys: [String]
    public var text: String

    /// Advice that names the keys in full ("model.regression_range"); `text` is an imperative without a full stop.
    public init(keys: [String], _ text: String) {
        self.keys = keys
        self.text = text
    }
}

/// Where the classes of detections come from.
public enum ClassSource: String, Sendable, CaseIterable {
    /// The detector says a class of every detection.
    case detector
    /// A classifier of recordings that is trained beside the detector.
    case own
    /// Scores of a classifier of recordings, from a file.
    case file
    /// The classes annotated of each recording: figures say then how well actions of known classes are found.
    case known
}

/// A detector's keys in the section `model`, and how the detector is made of them.
///
/// This is all that the rest of the program knows of a detector before it is made: a detector is registered by the type of its settings.
public protocol DetectorSettings: ConfigurationSection {
    /// The value of `model.name`: lower-case letters and digits.
    static var name: String { get }
    /// The detector's name in prose: "ActionFormer".
    static var title: String { get }
    /// Whether `training.dropout` has an effect; otherwise it is refused.
    static var hasDropout: Bool { get }
    /// Whether `training.class_weights` has an effect; otherwise it is refused.
    static var hasClassWeights: Bool { get }
    /// Whether recordings can be mixed (`training.mixup_alpha`): `make` gives a `PointClassifier`.
    static var mixesRecordings: Bool { get }

    /// The branches of quality that the detector can have.
    static var qualityBranches: [QualityBranches] { get }
    /// Whether methods can make pseudo-labels of its predictions: `make` gives `CandidateLocalizer`.
    static var givesPseudoLabels: Bool { get }
    /// Whether its features can be contrasted and probed: `make` gives `LevelFeatures`.
    static var hasLevels: Bool { get }
    /// Whether it refines proposals, and must be prepared with labelled segments: `make` gives `ProposalRefiner`.
    static var refinesProposals: Bool { get }

    /// What `kairos configure` proposes for the section `test`.
    static var usualDetection: DetectionSettings { get }

    /// Whether the detector must see recordings whole: cropping, windows and MixUp are refused.
    static var seesWholeRecordings: Bool { get }

    /// `model.input_dimension`: columns that the features must have; nil: any.
    var expectedDimension: Int? { get }
    /// Rows of a recording of usual length, for benchmarks.
    var usualRows: Int { get }

    /// Checks that look at several keys of the section.
    ///
    /// - Throws: `Failure`, made by `keys.refusal`.
    func check(_ keys: ConfigurationKeys) throws

    /// Checks what goes with the key `test.class_scores`: a file whose classes the detections take, nil: the detector's own.
    ///
    /// - Throws: `Failure`, made by `keys.refusal`.
    func check(classScores: String?, _ keys: ConfigurationKeys) throws

    /// Why the detector cannot take features of so many columns, and the key that says so; nil: it can.
    func columnFault(_ columns: Int) -> (what: String, key: String, advice: String)?

    /// Makes the detector, without values in its parameters.
    ///
    /// - Precondition: `check` has passed.
    /// - Parameters:
    ///   - inputDimension: columns of the features.
    ///   - classes: number of classes.
    ///   - options: keys of other sections, and what the method adds.
    func make(inputDimension: Int, classes: Int, options: DetectorOptions) -> any Detector

    /// Makes the detector, and reads the files that the section names.
    ///
    /// - Throws: `Failure` (`.badInput`) for a file that is not what it should be.
    func makeReading(inputDimension: Int, classes: Int, options: DetectorOptions) throws -> any Detector

    /// Where the classes of detections come from when no file of scores is named.
    var classSource: ClassSource { get }
    /// Rows between the points that are responsible for an action of so many rows.
    func pointSpacing(forLength rows: Double) -> Int
    /// What to change so that an action gets positive points; nil: no key of the section does that.
    func advice(against obstacle: TargetObstacle) -> SettingAdvice?
    /// What limits how far away an action's ends may be ("16 bins"), and what to change about it; nil: nothing does.
    var reachLimit: (what: String, advice: SettingAdvice)? { get }
    /// Full names of the keys that decide the number of parameters.
    var sizeKeys: [String] { get }
    /// What else in the settings makes a training step hold less memory: "a window (model.n_mha_win_size)".
    var memorySaver: String? { get }
}

extension DetectorSettings {
    public static var hasDropout: Bool { true }
    public static var hasClassWeights: Bool { false }
    public static var mixesRecordings: Bool { !seesWholeRecordings }
    /// As ActionFormer's.
    public static var usualDetection: DetectionSettings { DetectionSettings(preNMSTopK: 2000, minScore: 0.001) }
    /// None.
    public static var qualityBranches: [QualityBranches] { [.none] }
    public static var givesPseudoLabels: Bool { false }
    public static var hasLevels: Bool { false }
    public static var refinesProposals: Bool { false }
    public static var seesWholeRecordings: Bool { false }
    /// As `make`: there are no files.
    public func makeReading(inputDimension: Int, classes: Int, options: DetectorOptions) throws -> any Detector {
        make(inputDimension: inputDimension, classes: classes, options: options)
    }
    public var classSource: ClassSource { .detector }
    /// Accepts everything: for settings that no single key's bounds leave inconsistent.
    public func check(_ keys: ConfigurationKeys) throws {}
    /// nil: any number of columns.
    public func columnFault(_ columns: Int) -> (what: String, key: String, advice: String)? { nil }
    /// Accepts both: detections with classes of their own may take others.
    public func check(classScores: String?, _ keys: ConfigurationKeys) throws {}
    /// One row: a point at every row of the features.
    public func pointSpacing(forLength rows: Double) -> Int { 1 }
    /// nil: no key of the section helps.
    public func advice(against obstacle: TargetObstacle) -> SettingAdvice? { nil }
    public var reachLimit: (what: String, advice: SettingAdvice)? { nil }
    public var sizeKeys: [String] { [] }
    public var memorySaver: String? { nil }

    public var name: String { Self.name }
}
