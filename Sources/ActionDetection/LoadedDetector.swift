import Checkpoints
import Collectives
import Detectors
import Diagnostics
import FeatureStore
import Kernels
import NeuralNetworks
import PostProcessing
import RunRecords
import TemporalAnnotations
import TrainingMethods

/// A detector with the weights of a checkpoint.
public final class LoadedDetector {
    public let detector: any Detector
    public let configuration: RunConfiguration
    /// What the detections' labels count: the checkpoint's.
    public let classes: ClassMap
    /// Of `test.class_scores`.
    let classScores: ClassScores?
    public let path: String
    /// Columns of the features that it takes.
    public let dimension: Int
    let digest: String
    /// Who wrote the checkpoint.
    let writer: String
    /// Of the run; nil when nobody recorded it.
    let recordedGemm: MatrixMultiplyBackend?
    /// Owns the weights that the detector computes with.
    let arena: ParameterArena

    /// What is known of the features before the weights are read.
    struct Columns {
        var count: Int
        /// "the store's features have".
        var owner: String
        var path: String
        var advice: String
    }

    /// - Parameters:
    ///   - path: the checkpoint's file.
    ///   - weights: nil: as the checkpoint's configuration says.
    ///   - overrides: keys of the checkpoint's configuration to set, for example `test.max_seg_num=100`.
    ///   - registry: knows the checkpoint's detector.
    ///   - features: opens the features, knowing the checkpoint.
    /// - Throws: `Failure.badInput` when the features' columns are not those the model was trained on.
    init(
        checkpoint path: String, weights: TrainingConfiguration.Weights?, overrides: [String], registry: Registry,
        features: (Checkpoint) throws -> Columns
    ) throws {
        let checkpoint = try Checkpoint(path: path)
        try checkpoint.requireTrainedDetector()
        try checkpoint.requireDistinctClasses()
        let header = checkpoint.header
        configuration = try RunConfiguration(checkpoint: header.configuration, file: path, overrides: overrides, registry: registry)
        let found = try features(checkpoint)
        guard found.count == header.inputDimension else {
            throw Failure.badInput(
                "\(found.owner) \(found.count) columns, the model was trained on \(header.inputDimension)", at: .file(found.path), .file(path),
                advice: found.advice)
        }
        self.path = path
        dimension = header.inputDimension
        writer = header.writer
        classes = ClassMap(names: header.classes)
        classScores = try ClassScores(configuration, classes: classes)
        digest = checkpoint.digest
        recordedGemm = header.recordedGemm
        detector = try configuration.detector(
            inputDimension: header.inputDimension, classes: header.classes.count, origin: .init(name: "the checkpoint", path: path))
        try MemoryCheck.requireAlone(MemoryPlanner.parameters(detector, arrays: 2, keys: configuration.model.sizeKeys, file: path))
        arena = ParameterArena(detector)
        try checkpoint.loadWeights(weights ?? configuration.training.evaluateWeights, into: arena)
    }

    /// What the labels of the detections that come out count.
    var outputClasses: ClassMap { classScores?.classes ?? classes }

    /// With classes of the classifier, where there is one.
    ///
    /// - Parameters:
    ///   - detections: of one video, best first.
    ///   - video: the one they are of.
    ///   - known: its annotated classes; nil: nobody knows them.
    /// - Throws: `Failure` for a video without scores, and without annotations where the classes are taken from these.
    func classified(_ detections: [Detection], of video: VideoID, known: [Int]?) throws -> [Detection] {
        if configuration.classSource == .known {
            guard let known else {
                throw Failure.wrongUsage(
                    "the classes of recordings in a folder are not known, and model.video_classifier is known", at: .video(video.name), .file(path),
                    advice: "detect in a store with annotations, or train with another model.video_classifier")
            }
            return ClassScoreFusion.known(detections, classes: known)
        }
        return try classScores?(detections, of: video) ?? detections
    }

    /// Checks that all ranks hold the same checkpoint and configuration; before anything else that ranks do together.
    ///
    /// - Throws: `Failure` (`.failed`) on all ranks when they differ.
    func agree(_ communicator: Communicator) throws {
        try communicator.agree(on: configuration.digest, name: "the configuration's digest")
        try communicator.agree(on: digest, name: "the checkpoint's digest")
        if let refiner = detector as? any ProposalRefiner { try communicator.agree(on: refiner.proposalDigest, name: "the proposals' digest") }
    }

    /// Compares rows with the rate that the model was trained on.
    ///
    /// - Parameters:
    ///   - rate: that of the training; nil when nobody knows.
    ///   - videos: positions among all recordings.
    ///   - all: the recordings there are.
    ///   - place: where they lie, and what it is called: "store".
    ///   - resampling: bring rows at other rates to that one.
    ///   - notes: lines for the user are added.
    /// - Returns: how rows are brought to the rate; nil: they stay.
    /// - Throws: `Failure.badInput` when rows stand at another rate and stay, or have to be brought to a rate that nobody knows.
    func fitRate(
        _ rate: FeatureRate?, videos: [Int], of all: [StoredVideo], at place: (path: String, noun: String), resampling: Bool, notes: inout [String]
    ) throws -> RateAdaptation? {
        guard let rate else {
            guard !resampling else {
                throw Failure.badInput(
                    "the checkpoint, written by \(writer), does not record how far apart the rows of its training were", at: .file(path),
                    advice: "leave --resample out, and make sure that the \(place.noun) was made with the stride of the training")
            }
            let found = FeatureRate(videos.map { all[$0] })?.secondsPerRow.text ?? "0 s"
            notes.append(
                "warning: the checkpoint '\(path)', written by \(writer), does not record how far apart the rows of its training were: "
                    + "make sure that they were \(found) apart, as in this \(place.noun)")
            return nil
        }
        let comparison = RateComparison(rate, all: all, videos: videos, path: place.path)
        var adaptation: RateAdaptation?
        if resampling {
            adaptation = try RateAdaptation(comparison, videos: videos)
        } else if let difference = comparison.difference() {
            throw Failure(
                .badInput, difference, at: [.file(place.path), .file(path)] + comparison.places,
                advice: "use features of the training's extractor settings, or add --resample to interpolate the rows to \(comparison.target)")
        }
        notes += comparison.warnings(resampling: resampling)
        let count = adaptation?.count ?? 0
        if count > 0 { notes.append("the rows of \(count) of \(videos.count) videos are interpolated to \(comparison.target)") }
        return adaptation
    }
}
