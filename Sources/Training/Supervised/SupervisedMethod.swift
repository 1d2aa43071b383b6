import Detectors
import FeatureStore
import RandomStreams
import Sampling
import TrainingMethods
import TrainingReview

/// Learns from the labelled recordings alone.
public final class SupervisedMethod: TrainingMethod {
    private let store: FeatureStore
    private let detector: any Detector
    private let sampler: TrainingSampler
    /// Positions in the store.
    let labeled: [Int]
    private let cropping: Cropping
    /// What the sampler deals in the place of recordings; nil: recordings.
    private let windows: [TrainingVideo]?
    let mixing: RecordingMixing
    private let seed: UInt64
    private let configuration: RunConfiguration

    /// - Parameters:
    ///   - store: the feature store of the recordings.
    ///   - detector: the one to be trained.
    ///   - labeled: positions in the store of the recordings to learn from.
    ///   - configuration: of the run.
    /// - Throws: `Failure.badInput` when a virtual shard would be left without a recording.
    public init(store: FeatureStore, detector: any Detector, labeled: [Int], configuration: RunConfiguration) throws {
        self.store = store
        self.detector = detector
        self.configuration = configuration
        self.labeled = labeled
        let data = configuration.data
        seed = UInt64(configuration.training.seed)
        cropping = Cropping(maximumRows: data.maxRows, keptPart: data.truncThresh, ratio: data.cropRatio)
        mixing = try RecordingMixing(alpha: configuration.training.mixupAlpha, seed: seed, detector: detector)
        let windows = data.windowStride.map { stride in
            labeled.flatMap {
                SlidingWindows(rows: data.maxRows ?? 1, stride: stride).training(
                    $0, of: store, instances: store.videos[$0].annotation.instances, part: data.truncThresh)
            }
        }
        self.windows = windows
        sampler = try TrainingSampler(
            videos: windows?.enumerated().map { ($0, $1.rows.count) } ?? labeled.map { ($0, store.videos[$0].rows) }, shardCount: data.virtualShards,
            batchSize: data.batchSize, seed: seed,
            window: data.balanceWindow, longest: data.maxRows)
    }

    /// Which labelled actions no point can learn, one line for the user each.
    ///
    /// - Throws: `Failure` when none can be learnt.
    public func review() throws -> [String] {
        try LearnableActions.review(labeled: labeled, configuration: configuration, store: store, detector: detector)
    }

    public var iterationsPerEpoch: Int { sampler.stepsPerEpoch }

    public var stages: [TrainingStage] {
        [
            TrainingStage(
                "training", iterations: configuration.iterations(perEpoch: iterationsPerEpoch),
                schedule: configuration.learningRateSchedule(iterationsPerEpoch: iterationsPerEpoch))
        ]
    }

    /// One view of the labelled recordings of the shard's turn, cropped, and with MixUp their partners; a function of the position alone.
    public func videos(at position: StepPosition) -> [[TrainingVideo]] {
        func crop(_ index: Int, _ random: inout RandomStream) -> TrainingVideo {
            windows?[index] ?? cropping.crop(index, of: store, instances: store.videos[index].annotation.instances, random: &random)
        }
        var random = RandomStream(seed: seed, "crop", position.shard, position.step)
        let own = sampler.videos(step: position.step, shard: position.shard).map { crop($0, &random) }
        return mixing.withPartners([own], at: position) { _, random in crop(sampler.any(&random), &random) }
    }

    /// The detector's ordinary step.
    ///
    /// - Returns: the losses of each virtual shard of this rank.
    /// - Throws: whatever a collective call throws.
    public func step(_ step: TrainingStep) throws -> [[String: Double]] {
        try step.learn(
            detector,
            views: step.batches.map { shard, groups in
                mixing.mixed(groups, at: StepPosition(step: step.step, shard: shard)).map { LearningView($0.batch, mixture: $0.mixture) }
            })
    }
}
