import TemporalAnnotations

/// Which instance each detection of one class claims: detections from the best down each claim the instance of their video they overlap most and
/// that is still free.
public struct ClassMatching: Sendable {
    /// Positions of the detections, from the highest score down (`descendingOrder`).
    public let order: [Int]
    /// Per threshold and rank (place in `order`): the place of the claimed instance among those of the detection's video; nil: a false positive.
    public let claims: [[Int?]]

    /// - Parameters:
    ///   - detections: of one class, of all videos, in any order.
    ///   - truth: the instances of the class by video.
    ///   - thresholds: tIoU from which an instance can be claimed.
    public init(_ detections: [Detection], truth: [VideoID: [Segment]], thresholds: [Double]) {
        let order = descendingOrder(detections.map(\.score))
        var claims = [[Int?]](repeating: [Int?](repeating: nil, count: detections.count), count: thresholds.count)
        var isTaken = truth.mapValues { [[Bool]](repeating: [Bool](repeating: false, count: $0.count), count: thresholds.count) }
        for (rank, index) in order.enumerated() {
            let detection = detections[index]
            guard let segments = truth[detection.video] else { continue }
            let overlaps = segments.map { detection.segment.tIoU($0) }
            let nearest = descendingOrder(overlaps)
            for (t, threshold) in thresholds.enumerated() {
                for j in nearest where overlaps[j] >= threshold {
                    guard isTaken[detection.video]?[t][j] == false else { continue }
                    isTaken[detection.video]?[t][j] = true
                    claims[t][rank] = j
                    break
                }
            }
        }
        self.order = order
        self.claims = claims
    }
}

/// Precision and recall after each detection, from the best down.
public struct PrecisionRecall: Equatable, Sendable {
    public var precision: [Double]
    public var recall: [Double]

    /// - Parameters:
    ///   - hits: whether each detection, best first, found an instance.
    ///   - instances: how many instances there are to be found; at least 1.
    ///   - normalizer: the number of instances that the precision assumes (normalised precision, Eq. 1 of arXiv 1807.10706); nil: none is assumed.
    public init(_ hits: [Bool], instances: Int, normalizer: Double? = nil) {
        var found = 0.0
        precision = []
        recall = []
        for (rank, hit) in hits.enumerated() {
            if hit { found += 1 }
            recall.append(found / Double(instances))
            if let normalizer {
                let right = found / Double(instances) * normalizer, wrong = Double(rank + 1) - found
                precision.append(right + wrong > 0 ? right / (right + wrong) : 0)
            } else {
                precision.append(found / Double(rank + 1))
            }
        }
    }

    /// The curve whose precision at each recall is the best at that recall or a higher one, from recall 0 to 1.
    public var interpolated: PrecisionRecall {
        var curve = self
        curve.precision = [0] + precision + [0]
        curve.recall = [0] + recall + [1]
        for i in (0..<curve.precision.count - 1).reversed() { curve.precision[i] = max(curve.precision[i], curve.precision[i + 1]) }
        return curve
    }

    /// Area under the interpolated curve (VOC 2011).
    public var averagePrecision: Double {
        let curve = interpolated
        var area = 0.0
        for i in 1..<curve.recall.count where curve.recall[i] != curve.recall[i - 1] {
            area += (curve.recall[i] - curve.recall[i - 1]) * curve.precision[i]
        }
        return area
    }
}
