/// Greedy NMS: candidates in order of score; each drops those after it whose tIoU with it is at least `iouThreshold`.
///
/// - Parameters:
///   - candidates: in any order.
///   - iouThreshold: tIoU from which a candidate is dropped.
///   - minScore: when positive, candidates whose score is not above it are dropped first.
///   - limit: at most so many are returned; 0 for all.
public func hardNMS(_ candidates: [Candidate], iouThreshold: Float, minScore: Float, limit: Int = 0) -> [Candidate] {
    let sorted = sortedByScore(minScore > 0 ? candidates.filter { $0.score > minScore } : candidates)
    var kept: [Candidate] = []
    for candidate in sorted {
        if limit > 0, kept.count == limit { break }
        let length = (candidate.segment.end - candidate.segment.start) + lengthOffset
        let isDropped = kept.contains { better in
            let intersection = max(0, min(better.segment.end, candidate.segment.end) - max(better.segment.start, candidate.segment.start))
            let betterLength = (better.segment.end - better.segment.start) + lengthOffset
            return intersection / (betterLength + length - intersection) >= iouThreshold
        }
        if !isDropped { kept.append(candidate) }
    }
    return kept
}
