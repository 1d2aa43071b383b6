import Diagnostics
import TemporalAnnotations

/// Whether the actions of a video lie in it; checked for the videos that are imported alone, since published files hold faulty entries for others.
struct SegmentCheck {
    let classes: ClassMap
    /// The annotation file, for messages.
    let path: String?
    /// Cut and leave out instead of refusing.
    let cuts: Bool
    /// What was changed, one sentence each.
    private(set) var notes: [String] = []
    private var losses = SegmentLosses()

    init(classes: ClassMap, path: String?, cuts: Bool) {
        self.classes = classes
        self.path = path
        self.cuts = cuts
    }

    /// What to do about several videos.
    func advice(for videos: [VideoID]) -> String {
        if losses.scale.isSuspicious, let guess = losses.scale.guess {
            return "write segments as [start, end] in seconds: \(losses.scale.outside) of \(losses.scale.count) lie outside their videos, \(guess)"
        }
        let names = NameList.argument(videos.map(\.name))
        return "correct the annotations, or give --duration-from-features \(names) where the durations are wrong, or --cut-segments"
    }

    /// The video with its actions cut to it: up to `AnnotationSet.tolerance` seconds outside are always cut.
    ///
    /// - Throws: `Failure.badInput` for an action that may not be cut; all actions of the video are counted nevertheless.
    mutating func fit(_ video: VideoAnnotation, grid: FeatureGrid) throws -> VideoAnnotation {
        var timed = video
        timed.fps = grid.fps
        for instance in video.instances { losses.add(instance.segment, label: instance.label, of: timed, rowsPerSecond: grid.fps / grid.stride) }
        var fitted = video
        fitted.instances = try video.instances.compactMap { instance in
            let segment = instance.segment
            let kept = Segment(start: max(0, segment.start), end: min(video.duration, segment.end))
            if kept == segment, kept.start < kept.end { return instance }
            let name = classes.names[instance.label]
            let words = "the segment [\(segment.start), \(segment.end)] of class '\(name)'"
            let isNear = segment.start >= -AnnotationSet.tolerance && segment.end <= video.duration + AnnotationSet.tolerance
            guard cuts || isNear && kept.start < kept.end else {
                let fault = segment.start < segment.end ? "lies outside the video of \(video.duration) s" : "has no length"
                throw Failure(
                    .badInput, "\(words) \(fault)", at: (path.map { [.file($0)] } ?? []) + [.video(video.id.name)],
                    advice: "correct the annotations, or give --duration-from-features \(video.id) when the duration is wrong, or --cut-segments")
            }
            guard kept.start < kept.end else {
                notes.append("video '\(video.id)': \(words) was left out")
                return nil
            }
            notes.append("video '\(video.id)': \(words) was cut to the video of \(video.duration) s")
            return ActionInstance(segment: kept, label: instance.label)
        }
        return fitted
    }

    /// Counted warnings, when all videos were fitted.
    ///
    /// - Throws: `Failure.badInput` when too many actions would be lost.
    func lossNotes() throws -> [String] {
        try losses.finish(classes: classes, places: path.map { [.file($0)] } ?? [], advice: "write segments as [start, end] in seconds")
    }
}
