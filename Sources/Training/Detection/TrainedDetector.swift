import Checkpoints
import Collectives
import Detectors
import Diagnostics
import FeatureStore
import Kernels
import NeuralNetworks
import RunRecords
import TemporalAnnotations
import TrainingMethods

/// A detector with the weights of a checkpoint, ready for a store.
///
/// Classes are the checkpoint's: the store's are compared with them by name, and may be others, fewer or none.
public final class TrainedDetector {
    public let detector: any Detector
    public let configuration: RunConfiguration
    public let store: FeatureStore
    /// What the detections' labels count: the checkpoint's.
    public let classes: ClassMap
    /// Warnings for the user; rank 0 prints them.
    public private(set) var notes: [String]
    /// Of the checkpoint.
    private let digest: String
    private let path: String
    /// Who wrote the checkpoint.
    private let writer: String
    /// The rate that the model was trained on; nil when nobody knows.
    private let rate: FeatureRate?
    private var adaptation: RateAdaptation?
    /// Of the run; nil when nobody recorded it.
    private let recordedGemm: MatrixMultiplyBackend?
    /// Owns the weights that the detector computes with.
    private let arena: ParameterArena

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
        let checkpoint = try Checkpoint(path: path)
        try checkpoint.requireTrainedDetector()
        try checkpoint.requireDistinctClasses()
        let header = checkpoint.header
        configuration = try RunConfiguration(yaml: header.configuration, file: path, overrides: overrides, registry: registry)
        store = try FeatureStore(path: storePath)
        guard store.dimension == header.inputDimension else {
            throw Failure.badInput(
                "the store's features have \(store.dimension) columns, the model was trained on \(header.inputDimension)", at: .file(storePath),
                .file(path),
                advice: "use a store made in the same way as the one of the training")
        }
        self.path = path
        writer = header.writer
        classes = ClassMap(names: header.classes)
        notes = ClassMatch(known: header.classes, asked: store.classes.names).warnings(store: storePath, holder: "the checkpoint")
        rate = checkpoint.rate(knowing: store)
        digest = checkpoint.digest
        recordedGemm = header.recordedGemm
        detector = try configuration.detector(
            inputDimension: header.inputDimension, classes: header.classes.count, origin: .init(name: "the checkpoint", path: path))
        try MemoryCheck.requireAlone(MemoryPlanner.parameters(detector, arrays: 2, keys: configuration.model.sizeKeys, file: path))
        arena = ParameterArena(detector)
        try checkpoint.loadWeights(weights ?? configuration.training.evaluateWeights, into: arena)
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
        guard let rate else {
            guard !resampling else {
                throw Failure.badInput(
                    "the checkpoint, written by \(writer), does not record how far apart the rows of its training were", at: .file(path),
                    advice: "leave --resample out, and make sure that the store was made with the stride of the training")
            }
            let found = FeatureRate(videos.map { store.videos[$0] })?.secondsPerRow.text ?? "0 s"
            notes.append(
                "warning: the checkpoint '\(path)', written by \(writer), does not record how far apart the rows of its training were: "
                    + "make sure that they were \(found) apart, as in this store")
            return 0
        }
        let comparison = RateComparison(rate, store, videos: videos)
        if resampling {
            adaptation = try RateAdaptation(comparison, videos: videos)
        } else if let difference = comparison.difference() {
            throw Failure(
                .badInput, difference, at: [.file(store.path), .file(path)] + comparison.places,
                advice: "use features of the training's extractor settings, or add --resample to interpolate the rows to \(comparison.target)")
        }
        notes += comparison.warnings(resampling: resampling)
        let count = adaptation?.count ?? 0
        if count > 0 { notes.append("the rows of \(count) of \(videos.count) videos are interpolated to \(comparison.target)") }
        return count
    }

    /// Checks that all ranks hold the same checkpoint, store and configuration; before anything else that ranks do together.
    ///
    /// - Throws: `Failure` (`.failed`) on all ranks when they differ.
    public func agree(_ communicator: Communicator) throws {
        try communicator.agree(on: configuration.digest, name: "the configuration's digest")
        try communicator.agree(on: digest, name: "the checkpoint's digest")
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
        return try withExtendedLifetime(arena) {
            try Inference.detect(detector, store: store, videos: videos, communicator: communicator, adaptation: adaptation)
        }
    }

    /// Calls `body` with each recording that is this rank's (i mod ranks), whole, alone in a batch, at the rate of the training; all ranks together.
    ///
    /// - Parameters:
    ///   - videos: positions in the store.
    ///   - communicator: the ranks that take part.
    ///   - title: of the progress bar.
    ///   - keeping: bytes that `body` keeps of all recordings of the run, for the estimate of memory.
    ///   - note: takes lines for the user on rank 0.
    ///   - body: takes the place in `videos` and the batch.
    /// - Throws: `Failure` when memory does not suffice or features cannot be read; `.interrupted` on all ranks when a signal asks to end.
    public func forEach(
        videos: [Int], communicator: Communicator, title: String, keeping bytes: Int = 0, note: (String) -> Void = { _ in },
        _ body: (_ place: Int, _ batch: PackedBatch) throws -> Void
    ) throws {
        try prepare(videos, communicator, keeping: bytes, note)
        let own = stride(from: communicator.rank, to: videos.count, by: communicator.size).map { $0 }
        try withExtendedLifetime(arena) {
            try Inference.forEach(own.map { videos[$0] }, store: store, communicator: communicator, title: title) { place, batch in
                try body(own[place], adaptation?.adapted(batch, video: videos[own[place]]) ?? batch)
            }
        }
    }

    /// Compares the memory with what there is, and sets how products are computed: as in the run.
    private func prepare(_ videos: [Int], _ communicator: Communicator, keeping bytes: Int = 0, _ note: (String) -> Void) throws {
        let planner = try communicator.throwTogether {
            try MemoryPlanner(detecting: configuration, detector: detector, store: store, adaptation: adaptation, communicator: communicator)
        }
        let lines = try MemoryCheck.require(planner.detecting(videos, keeping: bytes), communicator: communicator)
        if communicator.isRoot { lines.forEach(note) }
        _ = try ProductChoice.set(configuration.training, recorded: recordedGemm, communicator: communicator)
    }
}
