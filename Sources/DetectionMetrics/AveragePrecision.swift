import TemporalAnnotations

extension Evaluation {
    /// Average precision of one class per threshold: detections from the best down each claim the instance of their video they overlap most
    /// and that is still free; area under the interpolated precision-recall curve (VOC 2011).
    func averagePrecision(_ detections: [Detection], truth: [VideoID: [Segment]]) -> [Double] {
        let instances = truth.values.reduce(0) { $0 + $1.count }
        guard !detections.isEmpty, instances > 0 else { return [Double](repeating: 0, count: thresholds.count) }
        let order = descendingOrder(detections.map(\.score))
        var isHit = [[Bool]](repeating: [Bool](repeating: false, count: detections.count), count: thresholds.count)
        var claimed = truth.mapValues { [[Bool]](repeating: [Bool](repeating: false, count: $0.count), count: thresholds.count) }
        for (rank, index) in order.enumerated() {
            let detection = detections[index]
            guard let segments = truth[detection.video] else { continue }
            let overlaps = segments.map { detection.segment.tIoU($0) }
            let nearest = descendingOrder(overlaps)
            for (t, threshold) in thresholds.enumerated() {
                for j in nearest where overlaps[j] >= threshold {
                    guard claimed[detection.video]?[t][j] == false else { continue }
                    claimed[detection.video]?[t][j] = true
                    isHit[t][rank] = true
                    break
                }
            }
        }
        return isHit.map { interpolatedAveragePrecision($0, instances: instances) }
    }

    /// Share of one class's instances that some detection among the best `multiple` times the video's number of instances finds,
    /// per threshold; one detection may find several instances.
    func recallAtMultiple(_ multiple: Int, _ detections: [Detection], truth: [VideoID: [Segment]]) -> [Double] {
        let instances = truth.values.reduce(0) { $0 + $1.count }
        let byVideo = Dictionary(grouping: detections, by: \.video)
        var found = [Int](repeating: 0, count: thresholds.count)
        for (video, segments) in truth {
            guard let own = byVideo[video] else { continue }
            let best = descendingOrder(own.map(\.score)).prefix(multiple * segments.count).map { own[$0].segment }
            for segment in segments {
                let overlap = best.map { $0.tIoU(segment) }.max() ?? 0
                for (t, threshold) in thresholds.enumerated() where overlap >= threshold { found[t] += 1 }
            }
        }
        return found.map { instances > 0 ? Double($0) / Double(instances) : 0 }
    }
}

/// Area under the precision-recall curve whose precision at each recall is the best at that recall or a higher one.
///
/// - Parameters:
///   - hits: whether each detection, best first, found an instance.
///   - instances: how many instances there are to be found.
public func interpolatedAveragePrecision(_ hits: [Bool], instances: Int) -> Double {
    var precision: [Double] = [0], recall: [Double] = [0], found = 0.0
    for (i, hit) in hits.enumerated() {
        if hit { found += 1 }
        precision.append(found / Double(i + 1))
        recall.append(found / Double(instances))
    }
    precision.append(0)
    recall.append(1)
    for i in (0..<precision.count - 1).reversed() { precision[i] = max(precision[i], precision[i + 1]) }
    var area = 0.0
    for i in 1..<recall.count where recall[i] != recall[i - 1] { area += (recall[i] - recall[i - 1]) * precision[i] }
    return area
}
