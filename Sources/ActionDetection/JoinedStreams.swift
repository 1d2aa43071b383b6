import Autograd
import Detectors
import Diagnostics
import FeatureStore
import Sampling
import TemporalAnnotations

/// Detects by what two detectors of one kind say of a recording, each from the features of its own store: two streams.
final class JoinedStreams: ActionLocalizer {
    private let first: any StreamJoiner
    private let second: TrainedDetector
    private let weight: Double

    /// - Parameters:
    ///   - first: joins, and chooses detections as its settings say.
    ///   - second: the other stream.
    ///   - weight: of the second stream; the first's is 1.
    init(_ first: any StreamJoiner, _ second: TrainedDetector, weight: Double) {
        self.first = first
        self.second = second
        self.weight = weight
    }

    /// One after another.
    func detect(_ batch: PackedBatch) throws -> [[Detection]] {
        precondition(batch.videos.count == 1, "streams are joined recording by recording")
        let other = try second.whole(batch.videos[0].id)
        return try first.detect(batch, with: second.detector, other, weight: weight)
    }
}

extension TrainedDetector {
    /// Joins a second stream: `detect` then asks both detectors.
    ///
    /// - Parameters:
    ///   - second: trained on the same classes; its store has the recordings too.
    ///   - weight: of what the second says; what this one says weighs 1.
    ///   - videos: positions in this store of the recordings that will be detected.
    /// - Throws: `Failure` for a detector that joins no streams, for other classes, and for a recording that the second store lacks.
    public func join(_ second: TrainedDetector, weight: Double, videos: [Int]) throws {
        guard let joiner = detector as? any StreamJoiner, second.detector is any StreamJoiner else {
            throw Failure.wrongUsage(
                "the detector \(configuration.model.name) joins no streams", at: .key("--second-checkpoint"),
                advice: "leave it out, or give two checkpoints of P-GCN")
        }
        guard second.classes == classes else {
            throw Failure.badInput(
                "the two checkpoints were trained on different classes", at: .key("--second-checkpoint"),
                advice: "train both streams on stores of the same annotations")
        }
        if let missing = videos.first(where: { second.store.index(of: store.videos[$0].id) == nil }) {
            throw Failure.badInput(
                "the second store lacks the recording", at: .file(second.store.path), .video(store.videos[missing].id.name),
                advice: "make it from the same recordings as '\(store.path)'")
        }
        joined = JoinedStreams(joiner, second, weight: weight)
    }

    /// A recording of the store, at the rate of the training.
    ///
    /// - Throws: `Failure` for rows that cannot be read or hold NaN or infinity, and for a recording that the store lacks.
    func whole(_ video: VideoID) throws -> PackedBatch {
        guard let index = store.index(of: video) else {
            throw Failure.badInput("the store lacks the recording", at: .file(store.path), .video(video.name), advice: "make it from all recordings")
        }
        let batch = BatchLoader.whole(index, of: store, rows: try store.read(0..<store.videos[index].rows, ofVideo: index))
        try Inference.requireNumbers(
            batch.features.tensor.values, rows: batch.features.rows, columns: store.dimension, at: [.file(store.path), .video(video.name)],
            advice: "make the store again from features without NaN and infinity")
        return adapted(batch, video: index)
    }
}
