import TemporalAnnotations

/// Moves the ends of each kept detection to the mean of all candidates that overlap it by at least `threshold`, weighted by score times tIoU
/// (box voting, Gidaris and Komodakis 2015). A detection without such neighbours (one of no length) stays as it is.
public func vote(_ kept: [Candidate], among all: [Candidate], threshold: Float) -> [Candidate] {
    kept.map { detection in
        let length = detection.segment.end - detection.segment.start
        var weights: Float = 0, start: Float = 0, end: Float = 0
        for voter in all {
            let intersection = min(detection.segment.end, voter.segment.end) - max(detection.segment.start, voter.segment.start)
            guard intersection > 0 else { continue }
            let overlap = intersection / (length + (voter.segment.end - voter.segment.start) - intersection)
            guard overlap >= threshold else { continue }
            let weight = voter.score * overlap
            weights += weight
            start += weight * voter.segment.start
            end += weight * voter.segment.end
        }
        guard weights > 0 else { return detection }
        var moved = detection
        moved.segment = GridSegment(start: start / weights, end: end / weights)
        return moved
    }
}
