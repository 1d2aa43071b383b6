import Detectors
import FeatureStore
import TemporalAnnotations
import TrainingMethods

/// Recordings in which no action could be positive, wherever it lay: known of recordings whose actions are not.
public struct BarrenRecordings {
    /// Positions in the store.
    public let recordings: [Int]
    /// How many were examined.
    public let total: Int
    private let store: FeatureStore
    /// Full names of the detector's keys that say which lengths actions may have.
    public let keys: [String]

    /// What to do about them.
    public var advice: String {
        let features = "look at the window, stride and fps that the features were imported with"
        return keys.isEmpty ? features : "\(features), and at \(keys.joined(separator: ", "))"
    }

    /// - Parameters:
    ///   - recordings: positions in the store.
    ///   - configuration: of the run.
    ///   - store: the feature store of the recordings.
    ///   - detector: the one to be trained.
    public init(among recordings: [Int], configuration: RunConfiguration, store: FeatureStore, detector: any Detector) {
        self.store = store
        keys = configuration.model.advice(against: .regressionRange)?.keys ?? []
        total = recordings.count
        self.recordings = recordings.filter { !Self.canHaveTargets($0, configuration, store, detector) }
    }

    /// A line for the user when there are any; nil otherwise.
    ///
    /// - Parameters:
    ///   - label: what cannot be positive: "proposal".
    ///   - kind: of the recordings, in the plural.
    public func warning(_ label: String, _ kind: String) -> String? {
        guard !recordings.isEmpty else { return nil }
        return "warning: no \(label) can ever be positive in \(recordings.count) of the \(total) \(kind), "
            + "\(recordings.count == 1 ? "" : "for example ")\(example); \(advice)"
    }

    /// The first of them: "'c0' of 1.6 s, whose 8 rows stand at 6.4 to 7.8 s".
    public var example: String {
        guard let first = recordings.first else { return "" }
        let video = store.videos[first]
        func seconds(_ position: Int) -> String { LearnableActions.short(video.grid.seconds(atPosition: Double(position))) }
        return "'\(video.id.name)' of \(LearnableActions.short(video.annotation.duration)) s, whose "
            + (video.rows == 1 ? "one row stands at \(seconds(0)) s" : "\(video.rows) rows stand at \(seconds(0)) to \(seconds(video.rows - 1)) s")
    }

    /// Rows around which segments are examined, about.
    private static let mostRows = 16

    /// Examines segments around rows, as long as the recording, half as long and so on down to a sixteenth of a row.
    private static func canHaveTargets(_ recording: Int, _ configuration: RunConfiguration, _ store: FeatureStore, _ detector: any Detector) -> Bool {
        let video = store.videos[recording], duration = video.annotation.duration, row = video.grid.stride / video.grid.fps
        // Rows that are points of coarse levels too.
        var step = 1
        while step * mostRows < video.rows { step *= 2 }
        let middles = ([video.rows / 2] + stride(from: 0, to: video.rows, by: step)).map { video.grid.seconds(atPosition: Double($0)) }
            .filter { $0 > 0 && $0 < duration }
        guard !middles.isEmpty else { return false }
        var length = duration
        while length > row / 16 {
            let actions = middles.map { middle -> (index: Int, instances: [ActionInstance]) in
                let segment = Segment(start: max(0, middle - length / 2), end: min(duration, middle + length / 2))
                return (recording, [ActionInstance(segment: segment, label: 0)])
            }
            let found = LearnableActions(actions, configuration: configuration, store: store, detector: detector, isCropped: false)
            if found.learnable > 0 { return true }
            length /= 2
        }
        return false
    }
}
