import DetectionMetrics
import TemporalAnnotations

/// The detections that a reader would look at: of each class the best ones, as many as the truth has instances. No threshold of scores is chosen.
package enum BestDetections {
    /// Best first; equal scores in the order given.
    package static func choose(_ detections: [Detection], videos: [VideoAnnotation]) -> [Detection] {
        var counts: [Int: Int] = [:]
        for video in videos { for instance in Evaluation.withoutRepetitions(video.instances) { counts[instance.label, default: 0] += 1 } }
        let byClass = Dictionary(grouping: detections.indices) { detections[$0].label }
        let kept = byClass.flatMap { label, own in
            own.sorted { (-detections[$0].score, $0) < (-detections[$1].score, $1) }.prefix(counts[label] ?? 0)
        }
        return kept.sorted { (-detections[$0].score, $0) < (-detections[$1].score, $1) }.map { detections[$0] }
    }

    /// Whether each of the detections of one recording, best first, claims an action of its class.
    package static func areRight(_ detections: [Detection], _ instances: [ActionInstance], tIoU: Double) -> [Bool] {
        var isTaken = instances.map { _ in false }
        return detections.map { detection in
            let free = instances.indices.filter { !isTaken[$0] && instances[$0].label == detection.label }
            let overlaps = free.map { instances[$0].segment.tIoU(detection.segment) }
            guard let best = overlaps.max(), best >= tIoU, let place = overlaps.firstIndex(of: best) else { return false }
            isTaken[free[place]] = true
            return true
        }
    }
}

/// Which class is detected where an action of another one is.
///
/// The best detections of each class, as many as the truth has instances, claim from the highest score down the free action of any class that they
/// overlap most, with a tIoU of at least `tIoU`.
public struct ConfusionMatrix: Equatable, Sendable {
    /// The classes of the rows and columns.
    public var labels: [Int]
    /// Row: class of the action, and last `background` for detections that claim none. Column: class of the detection, and last `missed` for actions that
    /// none claims.
    public var counts: [[Int]]

    /// - Parameters:
    ///   - videos: those evaluated.
    ///   - detections: of all videos, in any order.
    ///   - tIoU: from which a detection claims an action.
    public init(videos: [VideoAnnotation], detections: [Detection], tIoU: Double = 0.5) {
        let instances = TrueInstances(videos), labels = instances.labels
        let places = Dictionary(uniqueKeysWithValues: labels.enumerated().map { ($1, $0) })
        var counts = [[Int]](repeating: [Int](repeating: 0, count: labels.count + 1), count: labels.count + 1)
        var isTaken = [Bool](repeating: false, count: instances.all.count)
        for detection in BestDetections.choose(detections, videos: videos) {
            guard let column = places[detection.label] else { continue }
            var best: (overlap: Double, position: Int)?
            for position in instances.byVideo[detection.video] ?? [] where !isTaken[position] {
                let overlap = instances.all[position].segment.tIoU(detection.segment)
                if overlap >= tIoU, overlap > best?.overlap ?? -1 { best = (overlap, position) }
            }
            if let best, let row = places[instances.all[best.position].label] {
                isTaken[best.position] = true
                counts[row][column] += 1
            } else {
                counts[labels.count][column] += 1
            }
        }
        for position in instances.all.indices where !isTaken[position] {
            if let row = places[instances.all[position].label] { counts[row][labels.count] += 1 }
        }
        self.labels = labels
        self.counts = counts
    }

    /// The `most` classes with the most confusion (off the diagonal, background and missed aside), in their order; all when there are no more.
    public func limited(to most: Int) -> ConfusionMatrix {
        guard labels.count > most else { return self }
        func confusion(_ place: Int) -> Int {
            labels.indices.reduce(0) { $0 + ($1 == place ? 0 : counts[place][$1] + counts[$1][place]) }
        }
        let kept = labels.indices.sorted { (-confusion($0), $0) < (-confusion($1), $1) }.prefix(most).sorted()
        var limited = self
        limited.labels = kept.map { labels[$0] }
        let places = kept + [labels.count]
        limited.counts = places.map { row in places.map { counts[row][$0] } }
        return limited
    }
}
