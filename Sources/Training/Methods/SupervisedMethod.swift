import Autograd
import Detectors
import FeatureStore
import RandomStreams

/// Learns from the labelled recordings alone.
public final class SupervisedMethod: TrainingMethod {
    private let store: FeatureStore
    private let detector: any Detector
    private let sampler: TrainingSampler
    private let cropping: Cropping
    private let seed: UInt64

    /// - Parameter labeled: positions in the store of the recordings to learn from.
    public init(store: FeatureStore, detector: any Detector, labeled: [Int], configuration: RunConfiguration) throws {
        self.store = store
        self.detector = detector
        let data = configuration.data
        seed = UInt64(configuration.training.seed)
        cropping = Cropping(maximumRows: data.maxRows, keptPart: data.truncThresh, ratio: data.cropRatio)
        sampler = try TrainingSampler(
            videos: labeled.map { ($0, store.videos[$0].rows) }, shardCount: data.virtualShards, batchSize: data.batchSize, seed: seed)
    }

    public var iterationsPerEpoch: Int { sampler.stepsPerEpoch }

    public func videos(at position: StepPosition) -> [TrainingVideo] {
        var random = RandomStream(seed: seed, "crop", position.shard, position.step)
        return sampler.videos(step: position.step, shard: position.shard).map { index in
            let video = store.videos[index]
            let instances = video.annotation.instances.map { GridInstance(segment: video.grid.gridSegment($0.segment), label: $0.label) }
            let halfWindow = Float(0.5 * video.grid.window / video.grid.stride)
            let crop = cropping.crop(rows: video.rows, instances: instances, halfWindow: halfWindow, random: &random)
            return TrainingVideo(index: index, rows: crop.rows, instances: crop.instances)
        }
    }

    public func targets(_ batch: PackedBatch, at position: StepPosition) -> PointTargets { detector.assignTargets(batch) }

    public func losses(
        _ batch: PackedBatch, targets: PointTargets, normalizer: Float, at position: StepPosition, tape: Tape, random: inout RandomStream
    ) -> [String: Double] {
        detector.losses(batch, targets: targets, normalizer: normalizer, tape: tape, random: &random)
    }
}
