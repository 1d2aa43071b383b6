/// How predictions become positives and candidates (APL Eq. 6, what the paper compares it with, and the label matching of LabelMatch, arXiv 2206.06608,
/// section 3.2).
public struct SelectionSettings: Equatable, Sendable {
    /// From which score on a prediction is positive.
    public enum Threshold: Equatable, Sendable {
        /// `mean + std` over all predictions that remain: the paper's.
        case adaptive
        /// The same per class.
        case adaptivePerClass
        /// A constant.
        case fixed(Double)
        /// Where the upper of two normal distributions of scores becomes the likelier one (`ScoreMixture`).
        case mixture
        /// Per class the score of the n-th best prediction, n being the number of actions expected, rounded (label matching).
        case matched(expected: [Double])
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
    /// `mean + deviation`, the fixed threshold, the mixture's, or the matched one of a class.
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
        var matched: [Double]?
        if case .matched(let expected) = settings.threshold {
            matched = Self.matchedThresholds(scores, labels: instances.map(\.label), expected: expected, floor: settings.floor)
        }
        var mixed: Double?
        if case .mixture = settings.threshold { mixed = ScoreMixture(scores.filter { Double($0) >= settings.floor }).threshold }
        let isPerClass = settings.threshold == .adaptivePerClass || matched != nil
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
            if let mixed { threshold = mixed }
            if let matched { threshold = group > 0 ? matched[group - 1] : .infinity }
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

    /// Per class the score of the n-th best prediction; the floor where there are fewer, infinity where none is expected.
    private static func matchedThresholds(_ scores: [Float], labels: [Int32], expected: [Double], floor: Double) -> [Double] {
        var perClass = expected.map { _ in [Float]() }
        for (score, label) in zip(scores, labels) where Double(score) >= floor { perClass[Int(label)].append(score) }
        return zip(perClass, expected).map { scores, expected in
            let count = Int(expected.rounded())
            guard count > 0 else { return .infinity }
            return count <= scores.count ? Double(scores.sorted(by: >)[count - 1]) : floor
        }
    }
}
