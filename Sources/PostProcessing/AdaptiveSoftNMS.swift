import Foundation
import TemporalAnnotations

/// How proposals are suppressed by Soft-NMS with a threshold that grows with their length (BMN's published `post_processing.py`).
public struct AdaptiveSuppression: Hashable, Sendable {
    /// Threshold of tIoU for the shortest proposals, and for one as long as the recording.
    public var low: Float
    public var high: Float
    /// Width of the Gaussian decay.
    public var alpha: Float
    /// Proposals kept.
    public var rounds: Int

    /// The published values by default.
    public init(low: Float = 0.5, high: Float = 0.9, alpha: Float = 0.4, rounds: Int = 101) {
        self.low = low
        self.high = high
        self.alpha = alpha
        self.rounds = rounds
    }

    /// `rounds` times takes the best candidate m; the scores of the others whose tIoU with it is above `low + (high - low) length(m)` are multiplied by
    /// `exp(-tIoU^2 / alpha)`. All candidates compete together.
    ///
    /// - Parameters:
    ///   - candidates: in any order; of equal scores the first is better.
    ///   - extent: the recording's length in the units of the segments: lengths are parts of it.
    /// - Returns: those taken, with the scores that they had then, in that order, which is best first.
    public func callAsFunction(_ candidates: [Candidate], extent: Float) -> [Candidate] {
        var left = candidates, kept: [Candidate] = []
        while kept.count < rounds, !left.isEmpty {
            var place = 0
            for i in left.indices where left[i].score > left[place].score { place = i }
            let best = left.remove(at: place), length = best.segment.length, threshold = low + (high - low) * (length / extent)
            kept.append(best)
            left.withUnsafeMutableBufferPointer { left in
                for i in left.indices {
                    let shared = max(0, min(best.segment.end, left[i].segment.end) - max(best.segment.start, left[i].segment.start))
                    let overlap = shared / (length + left[i].segment.length - shared)
                    if overlap > threshold { left[i].score *= exp(-(overlap * overlap) / alpha) }
                }
            }
        }
        return kept
    }
}
