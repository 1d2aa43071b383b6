import TemporalAnnotations

extension Evaluation {
    /// Average precision of one class per threshold: detections from the best down each claim the instance of their video they overlap most
    /// and that is still free; area under the interpolated precision-recall curve (VOC 2011).
    func averagePrecision(_ detections: [Detection], truth: [VideoID: [Segment]]) -> [Double] {
        let instances = truth.values.reduce(0) { $0 + $1.count }
        guard !detections.isEmpty, instances > 0 else { return [Double](repeating: 0, count: thresholds.count) }
        return hits(detections, truth: truth).map { interpolatedAveragePrecision($0, instances: instances) }
    }

    /// Per threshold: whether each detection, best first, finds an instance that no better one has found.
    func hits(_ detections: [Detection], truth: [VideoID: [Segment]]) -> [[Bool]] {
        ClassMatching(detections, truth: truth, thresholds: thresholds).claims.map { $0.map { $0 != nil } }
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
    PrecisionRecall(hits, instances: instances).averagePrecision
}
