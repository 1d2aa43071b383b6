import Autograd
import TemporalAnnotations

/// A labelled action on the feature grid of its video.
public struct GridInstance: Hashable, Sendable {
    public var segment: GridSegment
    public var label: Int
    /// `segment` in feature rows, `label` as an index into the `ClassMap`.
    public init(segment: GridSegment, label: Int) {
        self.segment = segment
        self.label = label
    }
}

/// What a detector must know of a video besides its features.
public struct VideoContext: Sendable {
    public var id: VideoID
    public var grid: FeatureGrid
    /// Seconds.
    public var duration: Double
    /// The grid turns the detector's rows into seconds; detections are cut to `duration`, in seconds.
    public init(id: VideoID, grid: FeatureGrid, duration: Double) {
        self.id = id
        self.grid = grid
        self.duration = duration
    }
}

/// What is known of the classes that recordings have.
public enum RecordingClasses: Equatable, Sendable {
    /// Those of their instances; nothing of a recording without any.
    case ofInstances
    /// Nothing: the instances are predictions.
    case unknown
    /// Per recording; nothing of one with an empty list.
    case known([[Int]])

    /// Of a recording; nil: nothing is known.
    ///
    /// - Parameters:
    ///   - place: of the recording in its batch.
    ///   - instances: of the batch.
    public func classes(of place: Int, _ instances: [[GridInstance]]) -> [Int]? {
        let result: [Int] =
            switch self {
            case .ofInstances: instances[place].map(\.label)
            case .unknown: []
            case .known(let all): all[place]
            }
        return result.isEmpty ? nil : result
    }

    /// Of some of the recordings.
    func part(_ range: Range<Int>) -> RecordingClasses {
        guard case .known(let all) = self else { return self }
        return .known(Array(all[range]))
    }
}

/// Videos whose feature rows stand one after another.
public struct PackedBatch {
    /// [rows of all videos, input dimension].
    public var features: PackedSequence
    public var videos: [VideoContext]
    /// Per video; empty lists for unlabelled ones.
    public var instances: [[GridInstance]]
    /// How much the instances count; nil: all 1. Only detectors with `WeightedTargets` read it.
    public var weights: LabelWeights?
    /// What a classifier of recordings learns from.
    public var classes = RecordingClasses.ofInstances
    /// All lists have one entry per sequence of `features`, in its order.
    public init(features: PackedSequence, videos: [VideoContext], instances: [[GridInstance]], weights: LabelWeights? = nil) {
        self.features = features
        self.videos = videos
        self.instances = instances
        self.weights = weights
    }
}
