import Detectors
import Diagnostics
import TemporalAnnotations

extension PGCN {
    /// Takes mean and deviation of the offsets from the foreground proposals of these recordings; actions themselves do not count.
    ///
    /// - Throws: `Failure` where no proposals were given, or none of one of the recordings.
    public func prepare(labeled: [LabelledRecording]) throws {
        var offsets: [SIMD2<Double>] = []
        for recording in labeled where !recording.instances.isEmpty {
            let video = recording.context, fps = video.grid.fps
            let pools = ProposalPools(
                try segments(of: video.id, duration: video.duration).map { FrameSegment($0, fps: fps) },
                actions: recording.instances.map { .init(segment: FrameSegment($0.segment, fps: fps), label: $0.label) },
                frames: video.duration * fps, thresholds: settings.thresholds)
            offsets += pools.offsets[pools.proposed]
        }
        statistics = OffsetStatistics(offsets)
    }

    /// - Throws: `Failure` (`.badInput`) where no proposals were given, or none of one of the recordings.
    public func requireProposals(of videos: [VideoContext]) throws {
        for video in videos { _ = try segments(of: video.id, duration: video.duration) }
    }

    /// The proposals of a recording in seconds, best first.
    func segments(of video: VideoID, duration: Double) throws -> [Segment] {
        guard let lists else {
            throw Failure.badInput(
                "there are no proposals to refine", at: .key("model.proposals"),
                advice: "name files of proposals, such as the detections of a BMN over all recordings")
        }
        guard let segments = lists.segments(of: video, duration: duration) else {
            throw Failure(
                .badInput, "the proposals lack the recording", at: lists.files.map { .file($0) } + [.video(video.name)],
                advice: "detect proposals in all recordings that are trained on and evaluated, and name the files in model.proposals")
        }
        return segments
    }
}
