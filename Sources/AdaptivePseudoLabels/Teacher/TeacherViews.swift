import Autograd
import Detectors
import RandomStreams
import TemporalAnnotations

/// What a teacher sees of a recording: view 0 is the recording as it is, view k begins k rows later (so that its points lie elsewhere on every level) and
/// lacks some channels.
public struct TeacherViews: Equatable, Sendable {
    /// At least 1.
    public var count: Int
    /// Probability that a channel is 0 in a view other than the first; the others are divided by 1 less this.
    public var dropout: Double

    public init(count: Int, dropout: Double) {
        self.count = count
        self.dropout = dropout
    }

    /// The predictions of the teacher: with one view the detector's; with several those of the first, refined by where the views agree.
    ///
    /// The segments are cut to the recording. P_cls, P_tiou and P_tnd remain those of the first view.
    ///
    /// - Parameters:
    ///   - detector: the teacher.
    ///   - batch: one recording.
    ///   - random: gives the random numbers of a view: an address of its own for each recording, round and view.
    public func predictions(
        _ detector: any CandidateLocalizer, _ batch: PackedBatch, random: (_ view: Int) -> RandomStream
    ) throws -> [AssessedDetection] {
        let found = try detector.labelCandidates(batch)[0]
        guard count > 1, let video = batch.videos.first else { return found }
        var views = [found.map { ViewAgreement.Prediction(segment: $0.gridSegment, label: $0.detection.label, score: $0.detection.score) }]
        for view in 1..<count {
            var stream = random(view)
            // A recording of few rows stays whole, and so does one whose proposals stand where they do.
            let shift = view < batch.features.rows && !(detector is any ProposalRefiner) ? view : 0
            views.append(
                try detector.labelCandidates(self.view(of: batch, shift: shift, &stream))[0].map {
                    ViewAgreement.Prediction(
                        segment: GridSegment(start: $0.gridSegment.start + Float(shift), end: $0.gridSegment.end + Float(shift)),
                        label: $0.detection.label, score: $0.detection.score)
                })
        }
        return zip(found, ViewAgreement.merged(views)).map { own, merged in
            var result = own
            result.gridSegment = merged.segment
            let seconds = video.grid.segment(merged.segment)
            result.detection.segment = Segment(
                start: min(max(seconds.start, 0), video.duration), end: min(max(seconds.end, 0), video.duration))
            result.detection.score = merged.score
            return result
        }
    }

    /// The rows from `shift` on, without the channels that are drawn.
    package func view(of batch: PackedBatch, shift: Int, _ random: inout RandomStream) -> PackedBatch {
        let columns = batch.features.columns, rows = batch.features.rows - shift
        let kept = (0..<columns).map { _ in Double(random.uniform()) < dropout ? Float(0) : Float(1 / (1 - dropout)) }
        let features = Tensor(rows: rows, columns: columns, requiresGradient: false)
        let source = batch.features.tensor.values + shift * columns
        for row in 0..<rows { for column in 0..<columns { features.values[row * columns + column] = source[row * columns + column] * kept[column] } }
        return PackedBatch(features: PackedSequence(features, offsets: [0, rows]), videos: batch.videos, instances: batch.instances)
    }
}
