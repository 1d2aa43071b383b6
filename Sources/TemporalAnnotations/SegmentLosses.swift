import Diagnostics

/// What is lost when segments are cut to their videos; when that is too much, something else is wrong than a few segments.
public struct SegmentLosses: Sendable {
    /// All segments, as they are written.
    public private(set) var scale = SegmentScale()
    private var leftOut = 0
    private var cut = 0
    private var perClass: [Int: (count: Int, leftOut: Int)] = [:]
    private var perVideo: (id: VideoID?, count: Int, leftOut: Int) = (nil, 0, 0)
    private var emptied: [VideoID] = []

    /// Nothing counted yet.
    public init() {}

    /// Counts a segment before it is cut; those of one video come one after another.
    public mutating func add(_ segment: Segment, label: Int, of video: VideoAnnotation, rowsPerSecond: Double? = nil) {
        scale.add(segment, of: video, rowsPerSecond: rowsPerSecond)
        let kept = Segment(start: max(0, segment.start), end: min(video.duration, segment.end))
        let isLeftOut = kept.start >= kept.end
        if perVideo.id != video.id {
            endVideo()
            perVideo = (video.id, 0, 0)
        }
        perVideo.count += 1
        perClass[label, default: (0, 0)].count += 1
        if isLeftOut {
            leftOut += 1
            perVideo.leftOut += 1
            perClass[label, default: (0, 0)].leftOut += 1
        } else if kept != segment {
            cut += 1
        }
    }

    private mutating func endVideo() {
        if let id = perVideo.id, perVideo.count == perVideo.leftOut { emptied.append(id) }
    }

    /// - Returns: counted warnings.
    /// - Throws: `Failure` (`.badInput`) when all segments of a class, or more than `SegmentScale.largestShare` of all, would be left out or lose more
    ///   than half.
    public func finish(classes: ClassMap, places: [Failure.Place], advice: String) throws -> [String] {
        var counted = self
        counted.endVideo()
        return try counted.verdict(classes: classes, places: places, advice: advice)
    }

    private func verdict(classes: ClassMap, places: [Failure.Place], advice: String) throws -> [String] {
        let guess = scale.guess
        func refusal(_ what: String) -> Failure {
            Failure(.badInput, what + (guess.map { "; \($0)" } ?? ""), at: places, advice: guess == nil ? advice + " and the durations" : advice)
        }
        if scale.isSuspicious {
            let videos = scale.videosOutside
            throw refusal(
                "\(scale.outside) of \(scale.count) segments lie outside their videos, or more than half of each does, in "
                    + "\(TemporalAnnotations.counted(videos.count, "video")): \(listed(videos.map(\.name)))")
        }
        let lost = perClass.filter { $0.value.count == $0.value.leftOut }.keys.sorted()
        if let first = lost.first {
            throw refusal(
                "all \(perClass[first]?.count ?? 0) segments of class '\(classes.names[first])' lie outside their videos or have no length"
                    + (lost.count > 1 ? ", as do those of \(lost.count - 1) more" : ""))
        }
        guard leftOut > 0 else { return scale.warning.map { [$0] } ?? [] }
        let empty =
            emptied.isEmpty ? "" : "; no action is left in \(TemporalAnnotations.counted(emptied.count, "video")): \(listed(emptied.map(\.name)))"
        return ["segments left out: \(leftOut) of \(scale.count); cut to their videos: \(cut)\(empty)"] + (scale.warning.map { [$0] } ?? [])
    }
}
