import Autograd
import TemporalAnnotations

/// A labelled action on the feature grid of its video.
public struct GridInstance: Hashable, Sendable {
    public var segment: GridSegment
    public var label: Int
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
    public init(id: VideoID, grid: FeatureGrid, duration: Double) {
        self.id = id
        self.grid = grid
        self.duration = duration
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
    public init(features: PackedSequence, videos: [VideoContext], instances: [[GridInstance]], weights: LabelWeights? = nil) {
        self.features = features
        self.videos = videos
        self.instances = instances
        self.weights = weights
    }
}
