import Autograd
import Checkpoints
import Collectives
import Detectors
import Diagnostics
import FeatureStore
import Foundation
import Sampling
import TemporalAnnotations

/// Detection over ranks: each recording is seen once, by one rank; ranks have about as many rows.
public enum Inference {
    /// - Parameters:
    ///   - detector: the one to detect with.
    ///   - store: the feature store of the recordings.
    ///   - videos: positions in the store.
    ///   - communicator: the ranks that take part.
    ///   - title: of the progress bar.
    ///   - adaptation: brings recordings to another rate.
    /// - Returns: detections per recording in the order of `videos` on rank 0, nil on the others.
    /// - Throws: `Failure` when features cannot be read; `.interrupted` on all ranks when a signal asks to end.
    public static func detect(
        _ detector: any ActionLocalizer, store: FeatureStore, videos: [Int], communicator: Communicator, title: String = "detecting",
        adaptation: RateAdaptation? = nil
    ) throws -> [(video: VideoID, detections: [Detection])]? {
        let own = own(videos, of: store, communicator)
        // Per detection: place in the list, start, end, class, score.
        var found: [Double] = []
        try forEach(own.map { videos[$0] }, store: store, communicator: communicator, title: title) { place, batch in
            for detection in try detector.detect(adaptation?.adapted(batch, video: videos[own[place]]) ?? batch)[0] {
                found += [Double(own[place]), detection.segment.start, detection.segment.end, Double(detection.label), detection.score]
            }
        }
        guard let gathered = try communicator.gather(found) else { return nil }
        var result = videos.map { (video: store.videos[$0].id, detections: [Detection]()) }
        for list in gathered {
            for at in stride(from: 0, to: list.count, by: 5) {
                let i = Int(list[at])
                result[i].detections.append(
                    Detection(
                        video: result[i].video, segment: Segment(start: list[at + 1], end: list[at + 2]), label: Int(list[at + 3]),
                        score: list[at + 4]))
            }
        }
        return result
    }

    /// Places in `videos` of the recordings that this rank works on: each is one rank's, and the ranks have about as many rows (`RecordingShares`).
    public static func own(_ videos: [Int], of store: FeatureStore, _ communicator: Communicator) -> [Int] {
        RecordingShares.places(rows: videos.map { store.videos[$0].rows }, ranks: communicator.size, rank: communicator.rank)
    }

    /// Reads this rank's recordings whole, one after another; all ranks call it together.
    ///
    /// - Parameters:
    ///   - own: positions in the store.
    ///   - store: the feature store of the recordings.
    ///   - communicator: the ranks that take part.
    ///   - title: of the progress bar.
    ///   - body: takes the place in `own` and the recording alone in a batch.
    /// - Throws: `Failure` (`.interrupted`) on all ranks when a signal asks to end.
    public static func forEach(
        _ own: [Int], store: FeatureStore, communicator: Communicator, title: String, _ body: (_ place: Int, _ batch: PackedBatch) throws -> Void
    ) throws {
        let prefetcher = FeaturePrefetcher(store: store, depth: 2)
        for video in own { prefetcher.request(video: video, rows: 0..<store.videos[video].rows) }
        let progress = ProgressBar(title, total: own.count, unit: "recordings", isSilent: !communicator.isRoot)
        try Activity.during(stage: title) {
            try communicator.throwTogether {
                try PreparedWeights.keeping {
                    for (place, video) in own.enumerated() {
                        try Interruption.check("in \(title)")
                        Activity.begin(step: place + 1)
                        (title.hasSuffix("labelling") ? RunWindow.labelling : .detecting).pass()
                        let batch = BatchLoader.whole(video, of: store, rows: try prefetcher.next())
                        try requireNumbers(
                            batch.features.tensor.values, rows: batch.features.rows, columns: store.dimension,
                            at: [.file(store.path), .video(store.videos[video].id.name)],
                            advice: "make the store again from features without NaN and infinity")
                        try body(place, batch)
                        progress.update(place + 1)
                    }
                }
            }
        }
        progress.finish()
    }

    /// Nothing would be detected, without a word, where a feature is NaN or infinite.
    ///
    /// - Parameter first: the number of the first row.
    static func requireNumbers(
        _ values: UnsafePointer<Float>, first: Int = 0, rows: Int, columns: Int, at places: [Failure.Place], advice: String
    ) throws {
        // The exponents of infinity and NaN are the largest.
        var largest: UInt32 = 0
        for i in 0..<rows * columns { largest = max(largest, values[i].bitPattern & 0x7fff_ffff) }
        guard largest >= Float.infinity.bitPattern, let place = (0..<rows * columns).first(where: { !values[$0].isFinite }) else { return }
        throw Failure(
            .badInput, "row \(first + place / columns) of the features holds \(values[place].isNaN ? "NaN" : "an infinite value")", at: places,
            advice: advice)
    }
}
