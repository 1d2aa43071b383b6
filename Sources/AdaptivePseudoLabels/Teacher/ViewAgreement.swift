import Detectors
import TemporalAnnotations

/// Predictions of several views of one recording, refined by where the views agree (consistency of a teacher's predictions as a measure of their
/// quality: Soft Teacher, arXiv 2106.09018, section 3.3, jitters boxes; here the features are shifted and channels are dropped).
public enum ViewAgreement {
    /// A prediction of one view.
    public struct Prediction: Equatable, Sendable {
        /// On the grid of the whole recording.
        public var segment: GridSegment
        public var label: Int
        public var score: Double

        public init(segment: GridSegment, label: Int, score: Double) {
            self.segment = segment
            self.label = label
            self.score = score
        }
    }

    /// The predictions of the first view, each with its mean score over all views and the mean of its ends, weighted by the scores.
    ///
    /// A prediction's counterpart in another view is the one of its class with the highest tIoU, at least `overlap`, that no better prediction of the
    /// first view has taken. Where there is none, the view says 0.
    ///
    /// - Parameters:
    ///   - views: per view its predictions; the first is of the recording as it is.
    ///   - overlap: tIoU, 0 to 1.
    /// - Returns: as many as the first view has, in its order.
    public static func merged(_ views: [[Prediction]], overlap: Double = 0.5) -> [Prediction] {
        guard let first = views.first, views.count > 1 else { return views.first ?? [] }
        var sums = first.map { (score: $0.score, start: $0.score * Double($0.segment.start), end: $0.score * Double($0.segment.end)) }
        let order = first.indices.sorted { (-first[$0].score, $0) < (-first[$1].score, $1) }
        for view in views.dropFirst() {
            var taken = Set<Int>()
            for place in order {
                let own = segment(first[place])
                let fits = view.indices.filter { view[$0].label == first[place].label && !taken.contains($0) }
                    .map { (index: $0, tIoU: segment(view[$0]).tIoU(own)) }
                // Of equally good ones the first.
                guard let hit = fits.reversed().max(by: { $0.tIoU < $1.tIoU }), hit.tIoU >= overlap else { continue }
                taken.insert(hit.index)
                let other = view[hit.index]
                sums[place].score += other.score
                sums[place].start += other.score * Double(other.segment.start)
                sums[place].end += other.score * Double(other.segment.end)
            }
        }
        return zip(first, sums).map { own, sum in
            guard sum.score > 0 else { return own }
            return Prediction(
                segment: GridSegment(start: Float(sum.start / sum.score), end: Float(sum.end / sum.score)), label: own.label,
                score: sum.score / Double(views.count))
        }
    }

    private static func segment(_ prediction: Prediction) -> Segment {
        Segment(start: Double(prediction.segment.start), end: Double(prediction.segment.end))
    }
}
