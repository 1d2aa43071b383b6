import Autograd
import NeuralNetworks
import RandomStreams
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
    public init(features: PackedSequence, videos: [VideoContext], instances: [[GridInstance]]) {
        self.features = features
        self.videos = videos
        self.instances = instances
    }
}

/// What each point of the pyramid should say. Points are packed level by level, finest first; within a level video by video.
public struct PointTargets {
    /// [points, classes], 0 or 1 (before label smoothing), or between in mixtures of recordings.
    public var classes: [Float]
    /// [points, 2], distances to the start and the end in units of the level's stride; meaningful for positives alone.
    public var offsets: [Float]
    /// Indices of the positive points, ascending.
    public var positives: [Int]
    /// Places in `classes` above 0 whose action is not the one that the point's offsets lead to: where two recordings are mixed.
    public var withoutOffsets: Set<Int>
    public init(classes: [Float], offsets: [Float], positives: [Int], withoutOffsets: Set<Int> = []) {
        self.classes = classes
        self.offsets = offsets
        self.positives = positives
        self.withoutOffsets = withoutOffsets
    }
}

/// Says where actions are.
public protocol ActionLocalizer: AnyObject {
    /// Final detections per video, best first, in seconds.
    func detect(_ batch: PackedBatch) -> [[Detection]]
}

/// A temporal action detector that can be trained and asked.
public protocol Detector: Module, ActionLocalizer {
    /// Targets depend on annotations and lengths alone, so they are known before the forward pass, and so is the global count of positives.
    func assignTargets(_ batch: PackedBatch) -> PointTargets

    /// Runs the network forward, records its operations, and seeds the gradient of
    /// `(sum of classification losses + weight * sum of regression losses) / normalizer`.
    ///
    /// - Returns: the parts of the loss already divided by the normaliser: `classification`, `regression`, `total`.
    func losses(
        _ batch: PackedBatch, targets: PointTargets, normalizer: Float, tape: Tape, random: inout RandomStream
    ) -> [String: Double]

    /// What can be learnt of one action of a recording of so many rows, beside the others of `instances`; needs no features.
    ///
    /// Asked before the first step, so that a run which can learn nothing is refused. By default everything can be learnt: a detector whose targets
    /// depend on its outputs cannot tell beforehand.
    func outlook(of index: Int, among instances: [GridInstance], rows: Int) -> TargetOutlook
}

extension Detector {
    public func outlook(of index: Int, among instances: [GridInstance], rows: Int) -> TargetOutlook { TargetOutlook() }
}
