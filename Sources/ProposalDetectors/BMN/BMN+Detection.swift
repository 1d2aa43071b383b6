import Autograd
import Detectors
import NeuralNetworks
import PostProcessing
import TemporalAnnotations

extension BMN: CandidateLocalizer {
    /// Proposals of every recording, suppressed over all its maps, cut to the recording; with a classifier of recordings each is repeated for the best of
    /// its classes, otherwise the label is 0.
    public func detect(_ batch: PackedBatch) -> [[Detection]] {
        forEachRecording(batch) { recording, found, scores in
            let detections = found.map { detection($0.candidate, score: $0.candidate.score, of: recording, batch) }
            guard let scores else { return detections }
            return ClassScoreFusion(topK: settings.videoClasses, rule: .product)(detections, scores: scores)
        }
    }

    /// The proposals that `detect` leaves, in its order, scored by `v P_cls P_diou` times what the suppression has left of their scores; v is the score of
    /// the class over that of the recording's best class. Without a classifier of recordings v is 1 and the label 0.
    public func labelCandidates(_ batch: PackedBatch) -> [[AssessedDetection]] {
        let quality = settings.options.quality
        return forEachRecording(batch) { recording, found, scores in
            let assessed = found.map { one in
                let proposal = one.proposal, kept = one.before > 0 ? one.candidate.score / one.before : 1
                let score = proposal.classification * proposal.factor * kept
                return AssessedDetection(
                    detection: detection(one.candidate, score: score, of: recording, batch), gridSegment: one.candidate.segment,
                    classScore: proposal.classification, overlap: proposal.regression, distance: proposal.distance,
                    reliability: BMNReliability.value(proposal.regression, proposal.distance, floor: quality.floor))
            }
            guard let scores else { return assessed.enumerated().sorted(by: AssessedDetection.isBetter).map(\.element) }
            return AssessedDetection.classified(assessed, scores: scores, topK: settings.videoClasses)
        }
    }

    /// A proposal that the suppression has left.
    private struct Kept {
        var candidate: Candidate
        /// The candidate's score before the suppression.
        var before: Float
        var proposal: BMNDecoding.Proposal
    }

    /// - Parameter body: takes the recording's place, its proposals, best first, and with a classifier of recordings the probabilities of its classes.
    private func forEachRecording<Result>(_ batch: PackedBatch, _ body: (Int, [Kept], [Double]?) -> Result) -> [Result] {
        let outputs = self(batch.features, .inference()), sources = sources(batch.features), decoding = BMNDecoding(settings: settings)
        return withExtendedLifetime(outputs) {
            batch.videos.indices.map { recording in
                let rows = batch.features.rows(of: recording), all = candidates(outputs, sources, recording, rows)
                let found = decoding.suppressed(all.map(\.candidate), extent: Float(rows.count)).map { kept in
                    Kept(candidate: kept, before: all[kept.source].candidate.score, proposal: all[kept.source].proposal)
                }
                let scores = outputs.classLogits.map { logits in
                    (0..<settings.classes).map { 1 / (1 + exponential(-Double(logits.values[recording * settings.classes + $0]))) }
                }
                return body(recording, found, scores)
            }
        }
    }

    private func detection(_ candidate: Candidate, score: Float, of recording: Int, _ batch: PackedBatch) -> Detection {
        let video = batch.videos[recording], segment = video.grid.segment(candidate.segment)
        return Detection(
            video: video.id,
            segment: Segment(start: min(max(segment.start, 0), video.duration), end: min(max(segment.end, 0), video.duration)),
            label: candidate.label, score: Double(score))
    }

    /// Proposals of all maps of a recording, on its grid; a candidate's source is its place in the list.
    private func candidates(
        _ outputs: Outputs, _ sources: [MapSource], _ recording: Int, _ rows: Range<Int>
    ) -> [(candidate: Candidate, proposal: BMNDecoding.Proposal)] {
        let scale = settings.temporalScale, cells = network.map.valid.count, decoding = BMNDecoding(settings: settings)
        var result: [(candidate: Candidate, proposal: BMNDecoding.Proposal)] = []
        for (map, source) in sources.enumerated() where source.recording == recording {
            func rowsOf(_ tensor: Tensor) -> [Float] { Array(UnsafeBufferPointer(start: tensor.values + map * scale, count: scale)) }
            let factor = settings.grid == .rescaled ? Float(source.rows.count) / Float(scale) : 1
            // Row t is [t, t + 1) to the map, and stands at its middle on the grid.
            let first = Float(source.rows.lowerBound - rows.lowerBound) - 0.5, last = Float(source.rows.count)
            let proposals = decoding.proposals(
                start: rowsOf(outputs.start), end: rowsOf(outputs.end), map: outputs.map.values + 2 * map * cells,
                distance: outputs.distance.map { UnsafePointer($0.values + map * cells) })
            for proposal in proposals {
                let start = factor * Float(proposal.start), end = min(factor * Float(proposal.end), last)
                // In the zeros behind a short recording there is nothing.
                guard start < end else { continue }
                let segment = GridSegment(start: first + start, end: first + end)
                result.append((Candidate(segment: segment, score: Float(proposal.score), label: 0, source: result.count), proposal))
            }
        }
        return result
    }
}
