/// How predictions become positives and candidates (APL Eq. 6, and what the paper compares it with).
public struct SelectionSettings: Equatable, Sendable {
    /// From which score on a prediction is positive.
    public enum Threshold: Equatable, Sendable {
        /// `mean + std` over all predictions that remain: the paper's.
        case adaptive
        /// The same per class.
        case adaptivePerClass
        /// A constant.
        case fixed(Double)
    }
    /// Which score is compared with the threshold.
    public enum Score: String, Codable, Sendable, CaseIterable {
        case joint
        case classScore = "class"
    }

    public var threshold: Threshold
    /// The score that the threshold is taken of and compared with.
    public var score: Score
    /// Predictions whose score is below this are dropped first.
    public var floor: Double

    public init(threshold: Threshold = .adaptive, score: Score = .joint, floor: Double = 0.15) {
        self.threshold = threshold
        self.score = score
        self.floor = floor
    }

    /// The paper's baseline: P_cls of at least 0.3.
    public static let fixedBaseline = SelectionSettings(threshold: .fixed(0.3), score: .classScore, floor: 0)
}

/// Mean and population standard deviation of some scores, and the threshold they give.
public struct ScoreStatistics: Equatable, Sendable {
    public var count: Int
    public var mean: Double
    public var deviation: Double
    /// `mean + deviation`, or the fixed threshold.
    public var threshold: Double

    public init(count: Int, mean: Double, deviation: Double, threshold: Double) {
        self.count = count
        self.mean = mean
        self.deviation = deviation
        self.threshold = threshold
    }
}

/// Predictions divided into positives and candidates.
public struct PseudoLabelSelection: Equatable, Sendable {
    /// One per prediction: dropped, positive or candidate.
    public var fates: [PseudoInstanceFate]
    /// Over all predictions that remain; its threshold is infinite when none does.
    public var overall: ScoreStatistics
    /// Per class; empty unless thresholds are per class.
    public var perClass: [ScoreStatistics]

    /// A prediction is dropped when its score is below the floor or not a number, positive when it is at least the threshold, else a candidate.
    ///
    /// Scores are float32; sums are in double precision, in the order given. With up to 2^26 scores in [0.15, 1] the mean does not depend
    /// on the order (the sum is exact), and equal scores have exactly themselves as mean, so all of them are positive.
    ///
    /// - Parameters:
    ///   - instances: the predictions.
    ///   - classes: labels are below this.
    ///   - settings: floor and rule of the threshold.
    public init(_ instances: [PseudoInstance], classes: Int, settings: SelectionSettings) {
        let scores = instances.map { settings.score == .joint ? $0.jointScore : $0.classScore }
        let isPerClass = settings.threshold == .adaptivePerClass
        // One group for all predictions, then one per class.
        let groups = 1 + (isPerClass ? classes : 0)
        var counts = [Int](repeating: 0, count: groups), sums = [Double](repeating: 0, count: groups), squares = sums
        for (i, score) in scores.enumerated() where Double(score) >= settings.floor {
            counts[0] += 1
            sums[0] += Double(score)
            if isPerClass {
                counts[1 + Int(instances[i].label)] += 1
                sums[1 + Int(instances[i].label)] += Double(score)
            }
        }
        let means = (0..<groups).map { counts[$0] > 0 ? sums[$0] / Double(counts[$0]) : 0 }
        for (i, score) in scores.enumerated() where Double(score) >= settings.floor {
            let d = Double(score) - means[0]
            squares[0] += d * d
            if isPerClass {
                let group = 1 + Int(instances[i].label), d = Double(score) - means[group]
                squares[group] += d * d
            }
        }
        let statistics = (0..<groups).map { group in
            let deviation = counts[group] > 0 ? (squares[group] / Double(counts[group])).squareRoot() : 0
            var threshold = counts[group] > 0 ? means[group] + deviation : .infinity
            if case .fixed(let value) = settings.threshold { threshold = value }
            return ScoreStatistics(count: counts[group], mean: means[group], deviation: deviation, threshold: threshold)
        }
        overall = statistics[0]
        perClass = Array(statistics.dropFirst())
        fates = scores.enumerated().map { i, score in
            guard Double(score) >= settings.floor else { return .dropped }
            let threshold = statistics[isPerClass ? 1 + Int(instances[i].label) : 0].threshold
            return Double(score) >= threshold ? .positive : .candidate
        }
    }
}
