/// What a method puts on record at the beginning of a stage: an object with at least the keys `step` and `stage`, a line of its own in the log.
public protocol MethodRecord: Encodable, Sendable {
    /// Steps done.
    var step: Int { get }
    /// The stage's name.
    var stage: String { get }
    /// Seconds since 1970-01-01 00:00 UTC (`RecordTime`).
    var time: Double? { get }
}

/// What every line on a stage says, whichever method wrote it.
public struct StageRecord: MethodRecord, Codable, Equatable {
    public var step: Int
    public var stage: String
    public var time: Double?

    public init(step: Int, stage: String, time: Double? = RecordTime.now()) {
        self.step = step
        self.stage = stage
        self.time = time
    }
}

/// The line after an evaluation while the run trains (`training.evaluate_every`).
public struct ValidationRecord: MethodRecord, Codable, Equatable {
    public var step: Int
    public var stage: String
    public var time: Double?
    public var tiouThresholds: [Double]
    /// At each of them, 0 to 1.
    public var mAP: [Double]
    public var averageMAP: Double
    /// The highest so far, this one among them.
    public var bestAverageMAP: Double
    /// Steps done when that was found.
    public var bestStep: Int

    enum CodingKeys: String, CodingKey {
        case step, stage, time, mAP
        case tiouThresholds = "tiou_thresholds"
        case averageMAP = "average_mAP"
        case bestAverageMAP = "best_average_mAP"
        case bestStep = "best_step"
    }

    public init(
        step: Int, stage: String, tiouThresholds: [Double], mAP: [Double], averageMAP: Double, bestAverageMAP: Double, bestStep: Int,
        time: Double? = RecordTime.now()
    ) {
        self.step = step
        self.stage = stage
        self.tiouThresholds = tiouThresholds
        self.mAP = mAP
        self.averageMAP = averageMAP
        self.bestAverageMAP = bestAverageMAP
        self.bestStep = bestStep
        self.time = time
    }
}

/// The line of a run that goes on for longer than it was begun for.
public struct ExtensionRecord: MethodRecord, Codable, Equatable {
    public var step: Int
    public var stage: String
    public var time: Double?
    /// Steps of the whole run, before and now.
    public var from: Int
    public var to: Int
    /// Of the next step, by the new length.
    public var rate: Double
    /// Of the same step by the old length, or of its last step where that is over.
    public var rateBefore: Double

    enum CodingKeys: String, CodingKey {
        case step, stage, time
        case from = "extended_from"
        case to = "extended_to"
        case rate = "learning_rate"
        case rateBefore = "learning_rate_before"
    }

    public init(step: Int, stage: String, from: Int, to: Int, rate: Double, rateBefore: Double, time: Double? = RecordTime.now()) {
        self.step = step
        self.stage = stage
        self.from = from
        self.to = to
        self.rate = rate
        self.rateBefore = rateBefore
        self.time = time
    }
}

/// The line after a stage whose weights are kept only if they are no worse on held-out labelled recordings.
public struct GuardRecord: MethodRecord, Codable, Equatable {
    public var step: Int
    public var stage: String
    public var time: Double?
    /// On the held-out recordings, 0 to 1: of the stage's weights.
    public var averageMAP: Double
    /// Of the weights that training goes on with.
    public var bestAverageMAP: Double
    public var isKept: Bool

    enum CodingKeys: String, CodingKey {
        case step, stage, time
        case averageMAP = "held_out_average_mAP"
        case bestAverageMAP = "best_held_out_average_mAP"
        case isKept = "kept"
    }

    public init(step: Int, stage: String, averageMAP: Double, bestAverageMAP: Double, isKept: Bool, time: Double? = RecordTime.now()) {
        self.step = step
        self.stage = stage
        self.averageMAP = averageMAP
        self.bestAverageMAP = bestAverageMAP
        self.isKept = isKept
        self.time = time
    }
}

/// The line that a stage begins with which learns from pseudo-labels.
public struct PseudoLabelRoundRecord: MethodRecord, Codable, Equatable {
    /// As fractions; see `PseudoLabelQuality`.
    public struct Quality: Codable, Equatable, Sendable {
        public var classAccuracy: Double
        public var averageTIoU: Double
        public var positiveAccuracy: Double
        /// Of the present round alone.
        public var recall: Double?

        enum CodingKeys: String, CodingKey {
            case classAccuracy = "class_accuracy"
            case averageTIoU = "average_tIoU"
            case positiveAccuracy = "positive_accuracy"
            case recall
        }

        public init(_ quality: PseudoLabelQuality) {
            classAccuracy = quality.classAccuracy
            averageTIoU = quality.averageTIoU
            positiveAccuracy = quality.positiveAccuracy
            recall = quality.recall
        }
    }

    public var step: Int
    public var stage: String
    public var time: Double?
    /// Recordings with labels that are learnt from.
    public var recordings: Int
    /// Predictions by fate (`PseudoLabelFate`).
    public var positive: Int
    public var removed: Int
    public var promoted: Int
    public var rejected: Int
    /// The threshold of the scores; nil when there was none for all classes.
    public var theta: Double?
    /// The precision that the labels claim: the mean of their scores. nil without labels, or where scores claim nothing.
    public var expectedPrecision: Double?
    /// The part of the actions that have a label, as the labels' scores and the labelled recordings' rate of actions let expect; at most 1.
    public var expectedRecall: Double?
    /// nil when the truth is unknown.
    public var quality: Quality?
    /// Of the round before.
    public var previousQuality: Quality?

    enum CodingKeys: String, CodingKey {
        case step, stage, time, recordings, positive, removed, promoted, rejected, theta, quality
        case expectedPrecision = "expected_precision"
        case expectedRecall = "expected_recall"
        case previousQuality = "previous_quality"
    }

    /// - Parameters:
    ///   - step: the last one before.
    ///   - stage: the stage's name.
    ///   - time: seconds since 1970; nil: unknown.
    ///   - labels: all predictions that were examined, of any fate.
    ///   - theta: the threshold; nil where there is none.
    ///   - expectedActions: how many the examined recordings should have; nil: unknown, or the scores are no probabilities.
    ///   - quality: measured, where the truth is known.
    ///   - previous: the quality of the round before.
    public init(
        step: Int, stage: String, time: Double? = RecordTime.now(), labels: [PseudoLabel], theta: Double?,
        expectedActions: Double? = nil, quality: PseudoLabelQuality?, previous: PseudoLabelQuality?
    ) {
        func count(_ fate: PseudoLabelFate) -> Int { labels.reduce(0) { $0 + ($1.fate == fate ? 1 : 0) } }
        self.step = step
        self.stage = stage
        self.time = time
        recordings = Set(labels.filter(\.fate.isLabel).map(\.video)).count
        (positive, removed, promoted, rejected) = (count(.positive), count(.removed), count(.promoted), count(.rejected))
        self.theta = theta
        let scores = labels.filter(\.fate.isLabel).map(\.score), sum = scores.reduce(0, +)
        if let expectedActions, !scores.isEmpty {
            expectedPrecision = sum / Double(scores.count)
            if expectedActions > 0 { expectedRecall = min(1, sum / expectedActions) }
        }
        self.quality = quality.map(Quality.init)
        previousQuality = previous.map(Quality.init)
    }
}
