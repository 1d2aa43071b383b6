import Collectives
import Detectors
import Diagnostics
import FeatureStore
import Kernels
import NeuralNetworks
import TemporalAnnotations

/// A detector with the weights of a checkpoint, ready for a store.
public final class TrainedDetector {
    public let detector: any Detector
    public let configuration: RunConfiguration
    public let store: FeatureStore
    /// Of the checkpoint.
    private let digest: String
    /// Of the run; nil when nobody recorded it.
    private let recordedGemm: MatrixMultiplyBackend?
    /// Owns the weights that the detector computes with.
    private let arena: ParameterArena

    /// - Parameters:
    ///   - weights: nil: as the checkpoint's configuration says.
    ///   - overrides: keys of the checkpoint's configuration to set, for example `test.max_seg_num=100`.
    /// - Throws: `Failure.badInput` when the store's columns or classes are not those the model was trained on.
    public init(checkpoint path: String, store storePath: String, weights: TrainingConfiguration.Weights?, overrides: [String] = []) throws {
        let checkpoint = try Checkpoint(path: path)
        try checkpoint.requireTrainedDetector()
        let header = checkpoint.header
        configuration = try RunConfiguration(yaml: header.configuration, file: path, overrides: overrides)
        store = try FeatureStore(path: storePath)
        guard store.dimension == header.inputDimension else {
            throw Failure.badInput(
                "the store's features have \(store.dimension) columns, the model was trained on \(header.inputDimension)", at: .file(storePath),
                .file(path),
                advice: "use a store made in the same way as the one of the training")
        }
        guard store.classes.names == header.classes else {
            let place = zip(store.classes.names, header.classes).enumerated().first { $1.0 != $1.1 }
            let detail =
                place.map { "class \($0.offset) is '\($0.element.0)' here and '\($0.element.1)' there" }
                ?? "\(store.classes.count) here and \(header.classes.count) there"
            throw Failure.badInput(
                "the store's classes are not those of the training: \(detail)", at: .file(storePath), .file(path),
                advice: "use a store made from the same classes, in the same order")
        }
        digest = checkpoint.digest
        recordedGemm = header.recordedGemm
        detector = try TrainingRun.makeDetector(configuration, store)
        arena = ParameterArena(detector)
        try checkpoint.loadWeights(weights ?? configuration.training.evaluateWeights, into: arena)
    }

    /// Checks that all ranks hold the same program, checkpoint, store and configuration; before anything else that ranks do together.
    public func agree(_ communicator: Communicator) throws {
        try communicator.agreeOnProgram()
        try communicator.agree(on: configuration.digest, name: "the configuration's digest")
        try communicator.agree(on: digest, name: "the checkpoint's digest")
        try communicator.agree(on: store.digest, name: "the feature store's digest")
    }

    /// Detections per recording in the order of `videos` (positions in the store) on rank 0, nil on the others; see `Inference`. Products are
    /// computed as in the run.
    public func detect(videos: [Int], communicator: Communicator) throws -> [(video: VideoID, detections: [Detection])]? {
        _ = try ProductChoice.set(configuration.training, recorded: recordedGemm, communicator: communicator)
        return try withExtendedLifetime(arena) { try Inference.detect(detector, store: store, videos: videos, communicator: communicator) }
    }
}
