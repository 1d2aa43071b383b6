import Collectives
import Detectors
import FeatureStore
import Foundation
import TemporalAnnotations

/// Detection over ranks: recording i of the list belongs to rank i mod ranks, so each is seen once.
public enum Inference {
    /// - Parameter videos: positions in the store.
    /// - Returns: detections per recording in the order of `videos` on rank 0, nil on the others.
    public static func detect(
        _ detector: any Detector, store: FeatureStore, videos: [Int], communicator: Communicator, title: String = "detecting"
    ) throws -> [(video: VideoID, detections: [Detection])]? {
        let own = stride(from: communicator.rank, to: videos.count, by: communicator.size).map { $0 }
        let prefetcher = FeaturePrefetcher(store: store, depth: 2)
        for i in own { prefetcher.request(video: videos[i], rows: 0..<store.videos[videos[i]].rows) }
        let progress = ProgressBar(title, total: own.count, unit: "recordings", isSilent: !communicator.isRoot)
        // Per detection: place in the list, start, end, class, score.
        let found: [Double] = try communicator.throwTogether {
            var found: [Double] = []
            for (count, i) in own.enumerated() {
                let video = TrainingVideo(index: videos[i], rows: 0..<store.videos[videos[i]].rows, instances: [])
                let batch = try BatchLoader.pack([video], store: store) { _ in try prefetcher.next() }
                for detection in detector.detect(batch)[0] {
                    found += [Double(i), detection.segment.start, detection.segment.end, Double(detection.label), detection.score]
                }
                progress.update(count + 1)
            }
            return found
        }
        progress.finish()
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
}
