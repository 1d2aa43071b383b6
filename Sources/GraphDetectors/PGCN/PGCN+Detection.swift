import Autograd
import Detectors
import Diagnostics
import NeuralNetworks
import RandomStreams
import TemporalAnnotations

extension PGCN: StreamJoiner {
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
    /// activities, completeness, and offsets that are no longer standardised.
    ///
    /// - Throws: as `detect`; `Failure` for another detector than a P-GCN of as many classes.
    public func detect(_ batch: PackedBatch, with other: any Detector, _ otherBatch: PackedBatch, weight: Double) throws -> [[Detection]] {
        guard let other = other as? PGCN, other.settings.classes == settings.classes else {
            throw Failure.wrongUsage(
                "P-GCN joins its scores with those of another P-GCN of as many classes alone", at: .key("--second-checkpoint"),
                advice: "give a checkpoint of a P-GCN that was trained on the same classes")
        }
        return try batch.videos.indices.map { recording in
            let proposals = try proposals(of: batch.videos[recording])
            var said = scores(proposals, batch, recording)
            said.join(other.scores(proposals, otherBatch, recording), weight: weight)
            return detections(proposals, said, of: batch.videos[recording])
        }
    }

    private func detections(_ proposals: [FrameSegment], _ said: PGCNDecoding.Scores, of video: VideoContext) -> [Detection] {
        let fps = video.grid.fps, most = settings.options.detection.maxSegNum
        let found = PGCNDecoding(settings: settings).detections(proposals, said, frames: video.duration * fps)
        return (most > 0 ? Array(found.prefix(most)) : found).map { found in
            Detection(
                video: video.id, segment: Segment(start: found.segment.start / fps, end: min(found.segment.end / fps, video.duration)),
                label: found.label, score: found.score)
        }
    }

    /// In frames, cut to the recording; those without length are left out.
    private func proposals(of video: VideoContext) throws -> [FrameSegment] {
        let fps = video.grid.fps
        return try segments(of: video.id, duration: video.duration).compactMap { FrameSegment($0, fps: fps).cut(to: video.duration * fps) }
    }

    /// What the network says of every proposal of a recording.
    private func scores(_ proposals: [FrameSegment], _ batch: PackedBatch, _ recording: Int) -> PGCNDecoding.Scores {
        var said = PGCNDecoding.Scores()
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
        }
        return said
    }

    /// Offsets as they are applied.
    package func destandardised(_ offsets: [Float]) -> [Float] {
        let statistics = statistics
        return offsets.enumerated().map { Float(Double($1) * statistics.deviation[$0 % 2] + statistics.mean[$0 % 2]) }
    }
}
