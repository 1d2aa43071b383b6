import Checkpoints
import Collectives
import Detectors
import Diagnostics
import FeatureStore
import Sampling
import TemporalAnnotations
import TrainingMethods

/// A detector with the weights of a checkpoint, ready for a store.
///
/// Classes are the checkpoint's: the store's are compared with them by name, and may be others, fewer or none.
public final class TrainedDetector {
    private let loaded: LoadedDetector
    public let store: FeatureStore
    /// Warnings for the user; rank 0 prints them.
    public private(set) var notes: [String]
    /// The rate that the model was trained on; nil when nobody knows.
    private let rate: FeatureRate?
    private var adaptation: RateAdaptation?
    /// Asks a second stream too; nil: there is none.
    var joined: JoinedStreams?

    public var detector: any Detector { loaded.detector }
    public var configuration: RunConfiguration { loaded.configuration }
    /// What the detections' labels count: the checkpoint's, or those of `test.class_scores`.
    public var classes: ClassMap { loaded.outputClasses }

    /// - Parameters:
    ///   - path: the checkpoint's file.
    ///   - storePath: the store's file.
    ///   - weights: nil: as the checkpoint's configuration says.
    ///   - overrides: keys of the checkpoint's configuration to set, for example `test.max_seg_num=100`.
    ///   - registry: knows the checkpoint's detector.
    /// - Throws: `Failure.badInput` when the store's columns are not those the model was trained on.
    public init(
        checkpoint path: String, store storePath: String, weights: TrainingConfiguration.Weights?, overrides: [String] = [], registry: Registry
    ) throws {
        var opened: (store: FeatureStore, rate: FeatureRate?)?
        loaded = try LoadedDetector(checkpoint: path, weights: weights, overrides: overrides, registry: registry) { checkpoint in
            let store = try FeatureStore(path: storePath)
            opened = (store, checkpoint.rate(knowing: store))
            return .init(
                count: store.dimension, owner: "the store's features have", path: storePath,
                advice: "use a store made in the same way as the one of the training")
        }
        store = try opened?.store ?? FeatureStore(path: storePath)
        rate = opened?.rate
        let asked = loaded.configuration.data.classAgnostic ? [] : store.classes.names
        notes = ClassMatch(known: loaded.classes.names, asked: asked).warnings(store: storePath, holder: "the checkpoint")
    }

    /// Compares the rows of the videos that will be detected with the rate that the model was trained on; adds to `notes`.
    ///
    /// - Parameters:
    ///   - videos: positions in the store.
    ///   - resampling: bring rows at other rates to that one.
    /// - Returns: number of videos whose rows are brought to the rate.
    /// - Throws: `Failure.badInput` when rows stand at another rate and stay, or have to be brought to a rate that nobody knows.
    @discardableResult
    public func fitRate(videos: [Int], resampling: Bool) throws -> Int {
        adaptation = try loaded.fitRate(
            rate, videos: videos, of: store.videos, at: (store.path, "store"), resampling: resampling, notes: &notes)
        return adaptation?.count ?? 0
    }

    /// Checks that all ranks hold the same checkpoint, store and configuration; before anything else that ranks do together.
    ///
    /// - Throws: `Failure` (`.failed`) on all ranks when they differ.
    public func agree(_ communicator: Communicator) throws {
        try loaded.agree(communicator)
        try communicator.agree(on: store.digest, name: "the feature store's digest")
    }

    /// Detections per recording in the order of `videos` (positions in the store) on rank 0, nil on the others; see `Inference`. Products are
    /// computed as in the run.
    ///
    /// - Parameters:
    ///   - videos: positions in the store.
    ///   - communicator: the ranks that take part.
    ///   - note: takes lines for the user on rank 0.
    public func detect(
        videos: [Int], communicator: Communicator, note: (String) -> Void = { _ in }
    ) throws -> [(video: VideoID, detections: [Detection])]? {
        try prepare(videos, communicator, note)
        let found = try withExtendedLifetime(loaded) {
            try Inference.detect(joined ?? detector, store: store, videos: videos, communicator: communicator, adaptation: adaptation)
        }
        return try communicator.throwTogether {
            try found.map { found in
                try zip(videos, found).map { video, found in
                    (
                        found.video,
                        try loaded.classified(found.detections, of: found.video, known: store.videos[video].annotation.knownClasses)
                    )
                }
            }
        }
    }

    /// Calls `body` with each recording that is this rank's (`Inference.own`), whole, alone in a batch, at the rate of the training; all ranks together.
    ///
    /// - Parameters:
    ///   - videos: positions in the store.
    ///   - communicator: the ranks that take part.
    ///   - title: of the progress bar.
    ///   - bytes: that `body` keeps of all recordings of the run, for the estimate of memory.
    ///   - note: takes lines for the user on rank 0.
    ///   - body: takes the place in `videos` and the batch.
    /// - Throws: `Failure` when memory does not suffice or features cannot be read; `.interrupted` on all ranks when a signal asks to end.
    public func forEach(
        videos: [Int], communicator: Communicator, title: String, keeping bytes: Int = 0, note: (String) -> Void = { _ in },
        _ body: (_ place: Int, _ batch: PackedBatch) throws -> Void
    ) throws {
        try prepare(videos, communicator, keeping: bytes, note)
        let own = Inference.own(videos, of: store, communicator)
        try withExtendedLifetime(loaded) {
            try Inference.forEach(own.map { videos[$0] }, store: store, communicator: communicator, title: title) { place, batch in
                try body(own[place], adaptation?.adapted(batch, video: videos[own[place]]) ?? batch)
            }
        }
    }

    /// At the rate of the training.
    func adapted(_ batch: PackedBatch, video: Int) -> PackedBatch { adaptation?.adapted(batch, video: video) ?? batch }

    /// Compares the memory with what there is, and sets how products are computed: as in the run.
    private func prepare(_ videos: [Int], _ communicator: Communicator, keeping bytes: Int = 0, _ note: (String) -> Void) throws {
        let planner = try communicator.throwTogether {
            try (detector as? any ProposalRefiner)?.requireProposals(of: videos.map { store.videos[$0].context })
            return try MemoryPlanner(detecting: configuration, detector: detector, store: store, adaptation: adaptation, communicator: communicator)
        }
        let lines = try MemoryCheck.require(planner.detecting(videos, keeping: bytes), communicator: communicator)
        if communicator.isRoot { lines.forEach(note) }
        _ = try ProductChoice.set(configuration.training, recorded: loaded.recordedGemm, communicator: communicator)
    }
}
