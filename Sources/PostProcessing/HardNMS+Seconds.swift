import TemporalAnnotations

/// Greedy NMS of detections in seconds, in double precision: in order of score (equal ones in input order), each drops those after it whose tIoU
/// with it is at least `iouThreshold`. Classes compete together: give those of one class.
///
/// - Parameters:
///   - detections: of one class.
///   - iouThreshold: tIoU from which a candidate is dropped.
///   - lengthOffset: seconds added to every length and intersection, as published code for weak supervision does (1, out of habit from
///     pixels); 0 for tIoU itself.
public func hardNMS(_ detections: [Detection], iouThreshold: Double, lengthOffset: Double) -> [Detection] {
    let order = detections.indices.sorted {
        detections[$0].score != detections[$1].score ? detections[$0].score > detections[$1].score : $0 < $1
    }
    var kept: [Detection] = []
    for detection in order.map({ detections[$0] }) {
        let isDropped = kept.contains { better in
            let intersection = max(
                0, min(better.segment.end, detection.segment.end) - max(better.segment.start, detection.segment.start) + lengthOffset)
            let union = better.segment.length + detection.segment.length + 2 * lengthOffset - intersection
            return union > 0 && intersection / union >= iouThreshold
        }
        if !isDropped { kept.append(detection) }
    }
    return kept
}
