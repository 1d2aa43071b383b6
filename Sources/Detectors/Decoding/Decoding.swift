import Foundation
import PostProcessing
import TemporalAnnotations

/// Turns the heads' outputs into detections.
public struct DetectionDecoder: Sendable {
    public var settings: DetectionSettings
    public var classes: Int

    public init(settings: DetectionSettings, classes: Int) {
        self.settings = settings
        self.classes = classes
    }

    /// - Parameters:
    ///   - logits: [points, classes].
    ///   - offsets: [points, 2], distances to start and end in strides of the level.
    ///   - points: how both are packed.
    ///   - videos: as many as `points` has.
    /// - Returns: per video, in seconds, cut to [0, duration], best first.
    public func detections(
        logits: UnsafePointer<Float>, offsets: UnsafePointer<Float>, points: PyramidPoints, videos: [VideoContext]
    ) -> [[Detection]] {
        videos.enumerated().map { index, video in
            let survivors = suppress(
                candidates(logits: logits, offsets: offsets, points: points, video: index), settings: settings.suppression)
            return survivors.map { candidate in
                let segment = video.grid.segment(candidate.segment)
                return Detection(
                    video: video.id,
                    segment: Segment(start: min(max(segment.start, 0), video.duration), end: min(max(segment.end, 0), video.duration)),
                    label: candidate.label, score: Double(candidate.score))
            }
        }
    }

    /// One video's candidates before suppression: level by level the `preNMSTopK` best scores above `preNMSThresh`, best first (equal scores by
    /// point, then class), decoded, those not longer than `durationThresh` left out.
    public func candidates(
        logits: UnsafePointer<Float>, offsets: UnsafePointer<Float>, points: PyramidPoints, video: Int
    ) -> [Candidate] {
        var candidates: [Candidate] = []
        for level in 0..<points.levels {
            let range = points.range(level: level, video: video), stride = Float(points.stride(level: level))
            var scored: [(score: Float, index: Int)] = []
            for index in 0..<range.count * classes {
                let score = 1 / (1 + exp(-logits[range.lowerBound * classes + index]))
                if score > settings.preNMSThresh { scored.append((score, index)) }
            }
            scored.sort { $0.score != $1.score ? $0.score > $1.score : $0.index < $1.index }
            for (score, index) in scored.prefix(max(0, settings.preNMSTopK)) {
                let point = index / classes, position = Float(point) * stride, offset = offsets + 2 * (range.lowerBound + point)
                let start = position - offset[0] * stride, end = position + offset[1] * stride
                guard end - start > settings.durationThresh, (end - start).isFinite else { continue }
                candidates.append(
                    Candidate(segment: GridSegment(start: start, end: end), score: score, label: index % classes))
            }
        }
        return candidates
    }
}
