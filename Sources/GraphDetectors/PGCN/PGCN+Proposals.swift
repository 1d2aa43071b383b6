import Detectors
import Diagnostics
import TemporalAnnotations

extension PGCN {
    public var proposalDigest: String { lists?.digest ?? "none" }

    public func makeUpProposals() { (lists, isMadeUp) = (nil, true) }

    /// Takes mean and deviation of the offsets from the foreground proposals of these recordings; actions themselves do not count.
    ///
    /// - Throws: `Failure` where no proposals were given, or none of one of the recordings.
    public func prepare(labeled: [LabelledRecording]) throws {
        try requireProposals(of: labeled.map(\.context))
        var offsets: [SIMD2<Double>] = []
        for recording in labeled where !recording.instances.isEmpty {
            let video = recording.context
            let pools = pools(
                try segments(of: video.id, duration: video.duration), actions: recording.instances.map { ($0.segment, $0.label, 1) }, video)
            offsets += pools.offsets[pools.proposed]
        }
        statistics = OffsetStatistics(offsets)
    }

    /// - Throws: `Failure` (`.badInput`) where no proposals were given, or none of one of the recordings, and for many that lie outside their
    ///   recordings: such are in frames, or of other recordings.
    public func requireProposals(of videos: [VideoContext]) throws {
        var scale = SegmentScale()
        for video in videos {
            let recording = VideoAnnotation(id: video.id, subset: "", duration: video.duration, fps: video.grid.fps, instances: [])
            for segment in try segments(of: video.id, duration: video.duration) {
                scale.add(segment, of: recording, rowsPerSecond: video.grid.fps / video.grid.stride)
            }
        }
        guard scale.isSuspicious else { return }
        throw Failure(
            .badInput,
            "\(scale.outside) of \(scale.count) proposals lie outside their recordings, or more than half of each does, in "
                + "\(counted(scale.videosOutside.count, "recording")): \(listed(scale.videosOutside.map(\.name)))"
                + (scale.guess.map { "; \($0)" } ?? ""), at: (lists?.files ?? []).map { .file($0) },
            advice: "give proposals in seconds, of the recordings of the store")
    }

    /// The proposals of a recording in seconds, best first.
    func segments(of video: VideoID, duration: Double) throws -> [Segment] {
        guard !isMadeUp else { return madeUp(duration: duration) }
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
