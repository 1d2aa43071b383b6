import Detectors
import Diagnostics
import FeatureStore
import Sampling
import TemporalAnnotations
import TrainingMethods

/// How many actions can be learnt, and why the others can never be positive: known from annotations, lengths and settings, before a feature is read.
///
/// The detector is asked itself (`Detector.outlook`), for whole recordings and for the crops that training draws.
public struct LearnableActions {
    /// An action that stands for others of its kind.
    struct Example {
        /// Position in the store.
        var video: Int
        var instance: ActionInstance
        var reach: Float
    }

    /// Those that can never be positive for one reason.
    struct Group {
        var obstacle: LearningObstacle
        var count = 0
        /// The first of them.
        var example: Example
    }

    let configuration: RunConfiguration
    let store: FeatureStore
    let cropping: Cropping
    public private(set) var total = 0
    /// The most frequent reason first.
    private(set) var groups: [Group] = []
    /// Actions that can be learnt, but whose ends lie farther away than the detector can say; the one of least reach is the example.
    private(set) var beyondReach: Group?

    /// Those that can be positive.
    public var learnable: Int { total - groups.reduce(0) { $0 + $1.count } }

    /// - Parameters:
    ///   - recordings: positions in the store, and the actions to learn from.
    ///   - configuration: of the run.
    ///   - store: the feature store of the recordings.
    ///   - detector: the one to be trained.
    ///   - isCropped: whether training crops the recordings as the configuration says.
    public init(
        _ recordings: [(index: Int, instances: [ActionInstance])], configuration: RunConfiguration, store: FeatureStore, detector: any Detector,
        isCropped: Bool = true
    ) {
        self.configuration = configuration
        self.store = store
        let data = configuration.data
        cropping = Cropping(
            maximumRows: isCropped ? data.maxRows : nil, keptPart: data.truncThresh, ratio: isCropped ? data.cropRatio : nil)
        let leastOverlap = Float(configuration.test.tiouThresholds.min() ?? 0.5)
        // MixUp moves actions along their recordings.
        let isMoved = configuration.training.mixupAlpha != nil || configuration.method.movesActions
        var found: [LearningObstacle: Group] = [:], budget = 500_000
        for (video, instances) in recordings {
            let stored = store.videos[video], onGrid = Cropping.onGrid(instances, of: stored), half = Cropping.halfWindow(stored.grid)
            for index in instances.indices {
                total += 1
                let whole = detector.outlook(of: index, among: onGrid, rows: stored.rows)
                var obstacle = cropping.obstacle(
                    to: index, among: onGrid, rows: stored.rows, halfWindow: half, whole: whole.obstacle, detector: detector,
                    budget: &budget)
                if isMoved, let fixed = obstacle, Self.dependsOnPlace(fixed), Self.isPositiveElsewhere(onGrid[index], stored.rows, detector) {
                    obstacle = nil
                }
                // Crops do not help against ends out of reach: detection sees whole recordings.
                if obstacle == nil, whole.obstacle == nil, whole.reach < leastOverlap { obstacle = .reach }
                let example = Example(video: video, instance: instances[index], reach: whole.reach)
                if let obstacle {
                    found[obstacle, default: Group(obstacle: obstacle, example: example)].count += 1
                } else if whole.obstacle == nil, whole.reach < 1 {
                    var group = beyondReach ?? Group(obstacle: .reach, example: example)
                    group.count += 1
                    if whole.reach < group.example.reach { group.example = example }
                    beyondReach = group
                }
            }
        }
        groups = LearningObstacle.allCases.compactMap { found[$0] }
        // Of equally frequent ones the first in the order of the cases.
        groups = groups.enumerated().sorted { $0.element.count != $1.element.count ? $0.element.count > $1.element.count : $0.offset < $1.offset }
            .map(\.element)
    }

    private static func dependsOnPlace(_ obstacle: LearningObstacle) -> Bool {
        switch obstacle {
        case .betweenPoints, .centerSampling, .shorterActions, .crops: true
        case .outsideRows, .betweenRows, .regressionRange, .cropsDropIt, .reach: false
        }
    }

    /// Whether an action has a positive point when it stands some rows later.
    private static func isPositiveElsewhere(_ instance: GridInstance, _ rows: Int, _ detector: any Detector) -> Bool {
        (1..<64).contains { shift in
            var moved = instance
            moved.segment.start += Float(shift)
            moved.segment.end += Float(shift)
            return detector.outlook(of: 0, among: [moved], rows: rows + shift).obstacle == nil
        }
    }

    // MARK: For people

    /// - Parameters:
    ///   - kind: what the actions are, in the plural: "labelled actions".
    ///   - prefix: begins the message: the stage at which it is found, when that is not the run's beginning.
    ///   - advice: what could be done besides what the reason suggests.
    /// - Throws: `Failure.badInput` with the most frequent reason when there are actions and none of them can be positive.
    public func requireSome(_ kind: String, prefix: String = "", advice: String? = nil) throws {
        guard total > 0, learnable == 0, let group = groups.first else { return }
        let subject = group.count < total ? "\(group.count) of them" : Self.pronoun(group.count)
        throw Failure(
            .badInput, "\(prefix)there is nothing to learn: none of the \(total) \(kind) can ever be positive: \(describe(group, subject))",
            at: [.file(store.path)] + keys(group).map(Failure.Place.key) + [.video(store.videos[group.example.video].id.name)],
            advice: self.advice(group) + (advice.map { ", \($0)" } ?? ""))
    }

    /// A line for each reason for which some cannot be positive, and one for ends out of reach.
    public func warnings(_ kind: String, prefix: String = "") -> [String] {
        var lines = groups.map {
            "warning: \(prefix)\($0.count) of the \(total) \(kind) can never be positive: \(describe($0, Self.pronoun($0.count))); \(advice($0))"
        }
        if let group = beyondReach {
            lines.append("warning: \(prefix)\(describe(group, "\(group.count) of the \(total) \(kind)")); \(advice(group))")
        }
        return lines
    }

    private static func pronoun(_ count: Int) -> String { count == 1 ? "it" : "they" }
}
