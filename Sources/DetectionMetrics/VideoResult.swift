import TemporalAnnotations

/// What was found in one video.
public struct VideoResult: Codable, Equatable, Sendable {
    public var video: String
    /// Instances and detections of the classes that have ground truth in the subset.
    public var instances: Int
    public var detections: Int
    /// Per threshold: mean over the video's classes of their average precision in this video alone; nil for a video without instances.
    public var mAP: [Double]?
    /// Mean over the thresholds.
    public var averageMAP: Double?
    /// Per threshold: share of the instances that a detection of their class finds, each instance by another one.
    public var recall: [Double]?

    /// The lists are per threshold, nil for a video without instances.
    public init(video: String, instances: Int, detections: Int, mAP: [Double]?, averageMAP: Double?, recall: [Double]?) {
        (self.video, self.instances, self.detections) = (video, instances, detections)
        (self.mAP, self.averageMAP, self.recall) = (mAP, averageMAP, recall)
    }

    enum CodingKeys: String, CodingKey {
        case video, instances, detections, mAP, recall
        case averageMAP = "average_mAP"
    }
}

extension Evaluation {
    /// Every video by itself, in the order given.
    ///
    /// - Parameters:
    ///   - videos: those evaluated, or some of them.
    ///   - detections: of any videos.
    public func perVideo(_ videos: [VideoAnnotation], _ detections: [Detection]) -> [VideoResult] {
        let counted = Set(classes.names.indices.filter { !truth[$0].isEmpty })
        let byVideo = Dictionary(grouping: detections.filter { counted.contains($0.label) }, by: \.video)
        return videos.map { video in
            let own = byVideo[video.id] ?? []
            let labels = classes.names.indices.filter { truth[$0][video.id] != nil }
            let instances = labels.reduce(0) { $0 + (truth[$1][video.id]?.count ?? 0) }
            guard instances > 0 else {
                return VideoResult(video: video.id.name, instances: 0, detections: own.count, mAP: nil, averageMAP: nil, recall: nil)
            }
            var precision = [Double](repeating: 0, count: thresholds.count), found = [Int](repeating: 0, count: thresholds.count)
            for label in labels {
                let segments = [video.id: truth[label][video.id] ?? []], ofClass = own.filter { $0.label == label }
                for (t, value) in averagePrecision(ofClass, truth: segments).enumerated() { precision[t] += value / Double(labels.count) }
                for (t, hits) in hits(ofClass, truth: segments).enumerated() { found[t] += hits.count { $0 } }
            }
            return VideoResult(
                video: video.id.name, instances: instances, detections: own.count, mAP: precision,
                averageMAP: precision.isEmpty ? 0 : precision.reduce(0, +) / Double(precision.count),
                recall: found.map { Double($0) / Double(instances) })
        }
    }
}
