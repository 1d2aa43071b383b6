import Foundation
import PostProcessing
import TemporalAnnotations

/// Turns the heads' outputs into detections.
public struct DetectionDecoder: Sendable {
    public var settings: DetectionSettings
    public var classes: Int

    /// `classes` is the number of columns of the logits.
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
        assessedDetections(logits: logits, offsets: offsets, quality: nil, points: points, videos: videos).map { $0.map(\.detection) }
    }

    /// Like `detections`; with `quality` the joint score `P_cls * P_diou` takes the place of the class score from the beginning.
    public func assessedDetections(
        logits: UnsafePointer<Float>, offsets: UnsafePointer<Float>, quality: QualityScores?, points: PyramidPoints, videos: [VideoContext]
    ) -> [[AssessedDetection]] {
        assessedDetections(logits: logits, quality: quality, points: points, videos: videos, distances: Self.regressed(offsets))
    }

    /// - Parameter distances: of a class at a point, to start and end in strides of the level; asked for where a score is high enough.
    func assessedDetections(
        logits: UnsafePointer<Float>, quality: QualityScores?, points: PyramidPoints, videos: [VideoContext], distances: Distances
    ) -> [[AssessedDetection]] {
        videos.enumerated().map { index, video in
            let survivors = suppress(
                candidates(logits: logits, reliability: quality?.reliability, points: points, video: index, distances: distances),
                settings: settings.suppression)
            return survivors.map { candidate in
                let segment = video.grid.segment(candidate.segment), point = candidate.source
                return AssessedDetection(
                    detection: Detection(
                        video: video.id,
                        segment: Segment(start: min(max(segment.start, 0), video.duration), end: min(max(segment.end, 0), video.duration)),
                        label: candidate.label, score: Double(candidate.score)),
                    gridSegment: candidate.segment, classScore: sigmoid(logits[point * classes + candidate.label]),
                    overlap: quality?.overlap[point], distance: quality?.distance?[point], reliability: quality?.reliability[point])
            }
        }
    }

    /// Distances to start and end of a class at a point, whose video has the given points on its level.
    public typealias Distances = (_ point: Int, _ label: Int, _ sequence: Range<Int>) -> (start: Float, end: Float)

    /// Distances that do not depend on the class.
    package static func regressed(_ offsets: UnsafePointer<Float>) -> Distances {
        { point, _, _ in (offsets[2 * point], offsets[2 * point + 1]) }
    }

    private func sigmoid(_ x: Float) -> Float { 1 / (1 + exp(-x)) }

    /// One video's candidates before suppression: level by level the `preNMSTopK` best scores above `preNMSThresh`, best first (equal scores by
    /// point, then class), decoded, those not longer than `durationThresh` left out.
    ///
    /// - Parameters:
    ///   - logits: [points, classes].
    ///   - offsets: distances to start and end, [points, 2].
    ///   - reliability: per point, a factor of every score; nil for the class scores themselves.
    ///   - points: of all levels and videos.
    ///   - video: its number in the batch.
    public func candidates(
        logits: UnsafePointer<Float>, offsets: UnsafePointer<Float>, reliability: [Float]? = nil, points: PyramidPoints, video: Int
    ) -> [Candidate] {
        candidates(logits: logits, reliability: reliability, points: points, video: video, distances: Self.regressed(offsets))
    }

    private func candidates(
        logits: UnsafePointer<Float>, reliability: [Float]?, points: PyramidPoints, video: Int, distances: Distances
    ) -> [Candidate] {
        var candidates: [Candidate] = []
        for level in 0..<points.levels {
            let range = points.range(level: level, video: video), stride = Float(points.stride(level: level))
            var best = BestScores(settings.preNMSTopK)
            for index in 0..<range.count * classes {
                var score = sigmoid(logits[range.lowerBound * classes + index])
                if let reliability { score *= reliability[range.lowerBound + index / classes] }
                if score > settings.preNMSThresh { best.offer(score, index: index) }
            }
            for (score, index) in best.sorted() {
                let point = index / classes, position = Float(point) * stride
                let reach = distances(range.lowerBound + point, index % classes, range)
                let start = position - reach.start * stride, end = position + reach.end * stride
                guard end - start > settings.durationThresh, (end - start).isFinite else { continue }
                candidates.append(
                    Candidate(segment: GridSegment(start: start, end: end), score: score, label: index % classes, source: range.lowerBound + point))
            }
        }
        return candidates
    }
}
