import Foundation
import TemporalAnnotations

/// Soft-NMS with Gaussian decay (Bodla et al. 2017, eq. 4): again and again takes the best candidate and multiplies the scores of all
/// others by `exp(-tIoU^2 / sigma)`; candidates that fall below `minScore` are dropped.
///
/// As in the published kernel the first pick is kept whatever its score, among equal scores the one that stands first wins, and a dropped
/// candidate's place is taken by the last one. Since scores of later picks never exceed those of earlier ones, work ends with the `limit`th pick:
/// `limit * count` decays at most, and none where segments do not meet.
///
/// - Parameters:
///   - candidates: in any order.
///   - sigma: width of the decay.
///   - minScore: scores below it end a candidate.
///   - limit: at most so many are returned; 0 for all.
public func softNMS(_ candidates: [Candidate], sigma: Float, minScore: Float, limit: Int = 0) -> [Candidate] {
    var count = candidates.count
    let wanted = limit > 0 ? min(limit, count) : count
    var starts = candidates.map(\.segment.start), ends = candidates.map(\.segment.end), scores = candidates.map(\.score)
    var lengths = candidates.map { ($0.segment.end - $0.segment.start) + lengthOffset }
    var origins = candidates.map { (label: $0.label, source: $0.source) }
    var kept: [Candidate] = []
    kept.reserveCapacity(wanted)
    starts.withUnsafeMutableBufferPointer { starts in
        ends.withUnsafeMutableBufferPointer { ends in
            scores.withUnsafeMutableBufferPointer { scores in
                lengths.withUnsafeMutableBufferPointer { lengths in
                    origins.withUnsafeMutableBufferPointer { origins in
                        func move(_ from: Int, to: Int) {
                            starts[to] = starts[from]
                            ends[to] = ends[from]
                            scores[to] = scores[from]
                            lengths[to] = lengths[from]
                            origins[to] = origins[from]
                        }
                        var pick = 0
                        while pick < count, kept.count < wanted {
                            var best = pick
                            for i in pick..<count where scores[best] < scores[i] { best = i }
                            let start = starts[best], end = ends[best], length = lengths[best]
                            kept.append(
                                Candidate(
                                    segment: GridSegment(start: start, end: end), score: scores[best], label: origins[best].label,
                                    source: origins[best].source))
                            move(pick, to: best)
                            pick += 1
                            var i = pick
                            while i < count {
                                let intersection = min(end, ends[i]) - max(start, starts[i])
                                if intersection > 0 {
                                    let overlap = intersection / (length + lengths[i] - intersection)
                                    scores[i] *= exp(-(overlap * overlap) / sigma)
                                }
                                if scores[i] < minScore {
                                    count -= 1
                                    move(count, to: i)
                                } else {
                                    i += 1
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    return kept
}
