import Autograd
import Detectors
import Diagnostics
import NeuralNetworks
import RandomStreams
import TemporalAnnotations

extension PGCN: StreamJoiner, CandidateLocalizer {
    /// Proposals of every recording with their classes and moved ends, suppressed within classes, best first.
    ///
    /// - Throws: `Failure` where no proposals were given, or none of a recording.
    public func detect(_ batch: PackedBatch) throws -> [[Detection]] {
        try batch.videos.indices.map { recording in
            let proposals = try proposals(of: batch.videos[recording])
            return detections(proposals, scores(proposals, batch, recording), of: batch.videos[recording])
        }
    }

    /// The weighted mean of what two P-GCNs say of this one's proposals, each with trees of its own (the published `--score_weights`): logits of
    /// activities and of ALQA's branches, completeness, and offsets that are no longer standardised.
    ///
    /// - Throws: as `detect`; `Failure` for another detector than a P-GCN of as many classes with the same branches.
    public func detect(_ batch: PackedBatch, with other: any Detector, _ otherBatch: PackedBatch, weight: Double) throws -> [[Detection]] {
        guard let other = other as? PGCN, other.settings.classes == settings.classes else {
            throw Failure.wrongUsage(
                "P-GCN joins its scores with those of another P-GCN of as many classes alone", at: .key("--second-checkpoint"),
                advice: "give a checkpoint of a P-GCN that was trained on the same classes")
        }
        let branches = (settings.options.quality.branches, other.settings.options.quality.branches)
        guard branches.0 == branches.1 else {
            throw Failure.wrongUsage(
                "the first P-GCN has the branches \(branches.0.rawValue) and the second \(branches.1.rawValue), so their scores cannot be joined",
                at: .key("--second-checkpoint"), advice: "give checkpoints that were trained with the same apl.alqa")
        }
        return try batch.videos.indices.map { recording in
            let proposals = try proposals(of: batch.videos[recording])
            var said = scores(proposals, batch, recording)
            said.join(other.scores(proposals, otherBatch, recording), weight: weight)
            return detections(proposals, said, of: batch.videos[recording])
        }
    }

    /// The detections that `detect` leaves, scored by `P_cls P_diou`, where P_cls is softmax(activity) of the class; without ALQA by P_cls.
    ///
    /// - Throws: as `detect`.
    public func labelCandidates(_ batch: PackedBatch) throws -> [[AssessedDetection]] {
        let power = settings.options.quality.power
        return try batch.videos.indices.map { recording in
            let proposals = try proposals(of: batch.videos[recording]), said = scores(proposals, batch, recording), video = batch.videos[recording]
            let quality = PGCNDecoding(settings: settings).quality(said), factors = quality?.raised(to: power).reliability
            let candidates = found(proposals, said, of: video).map { found in
                let score = found.classScore * (factors.map { Double($0[found.proposal]) } ?? 1), grid = video.grid
                let moved = Segment(start: found.segment.start / grid.fps, end: found.segment.end / grid.fps)
                return AssessedDetection(
                    detection: detection(found, score: score, of: video), gridSegment: grid.gridSegment(moved), classScore: Float(found.classScore),
                    overlap: quality?.overlap[found.proposal], distance: quality?.distance?[found.proposal],
                    reliability: quality?.reliability[found.proposal])
            }
            return candidates.enumerated().sorted(by: AssessedDetection.isBetter).map(\.element)
        }
    }

    private func found(_ proposals: [FrameSegment], _ said: PGCNDecoding.Scores, of video: VideoContext) -> [PGCNDecoding.Found] {
        let most = settings.options.detection.maxSegNum
        let found = PGCNDecoding(settings: settings).detections(proposals, said, frames: video.duration * video.grid.fps)
        return most > 0 ? Array(found.prefix(most)) : found
    }

    private func detections(_ proposals: [FrameSegment], _ said: PGCNDecoding.Scores, of video: VideoContext) -> [Detection] {
        found(proposals, said, of: video).map { detection($0, score: $0.score, of: video) }
    }

    private func detection(_ found: PGCNDecoding.Found, score: Double, of video: VideoContext) -> Detection {
        let fps = video.grid.fps
        return Detection(
            video: video.id, segment: Segment(start: found.segment.start / fps, end: min(found.segment.end / fps, video.duration)),
            label: found.label, score: score)
    }

    /// In frames, cut to the recording; those without length are left out.
    private func proposals(of video: VideoContext) throws -> [FrameSegment] {
        let fps = video.grid.fps
        return try segments(of: video.id, duration: video.duration).compactMap { FrameSegment($0, fps: fps).cut(to: video.duration * fps) }
    }

    /// What the network says of every proposal of a recording.
    private func scores(_ proposals: [FrameSegment], _ batch: PackedBatch, _ recording: Int) -> PGCNDecoding.Scores {
        let branches = network.qualityCount
        var said = PGCNDecoding.Scores(quality: [[Float]](repeating: [], count: branches))
        guard !proposals.isEmpty, !batch.features.rows(of: recording).isEmpty else { return said }
        let features = ProposalFeatures(proposals: proposals.count, columns: batch.features.columns)
        fill(features, proposals, at: 0, batch, recording)
        var graph = ProposalGraph(proposals, rules: settings.graph)
        var random = RandomStream(seed: 0, "proposal trees of " + batch.videos[recording].id.name)
        for first in stride(from: 0, to: proposals.count, by: Self.treesAtOnce) {
            let trees = (first..<min(first + Self.treesAtOnce, proposals.count)).flatMap { graph.tree(root: $0, random: &random) }
            let part = network(features, trees: trees, .inference())
            said.activity += part.activity.array
            said.completeness += part.completeness.array
            said.offsets += destandardised(part.offsets.array)
            for (branch, logits) in part.quality.enumerated() { said.quality[branch] += logits.array }
        }
        return said
    }

    /// Offsets as they are applied.
    package func destandardised(_ offsets: [Float]) -> [Float] {
        let statistics = statistics
        return offsets.enumerated().map { Float(Double($1) * statistics.deviation[$0 % 2] + statistics.mean[$0 % 2]) }
    }
}
