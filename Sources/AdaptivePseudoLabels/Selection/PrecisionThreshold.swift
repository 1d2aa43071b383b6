import RunRecords
import TemporalAnnotations

/// The threshold that reaches a wanted precision on recordings whose truth is known and that were not trained on.
public enum PrecisionThreshold {
    /// The least score such that the part of right predictions among those of at least this score is at least `target`; where no score has it, the
    /// least one of the highest precision. nil without predictions.
    ///
    /// A prediction is right when it overlaps a true instance of its class with a tIoU of at least 0.5 that no better prediction has taken; of equal
    /// scores the earlier one is the better.
    ///
    /// - Parameters:
    ///   - labels: predictions on the recordings, in any order.
    ///   - truth: of all the recordings.
    ///   - target: precision, 0 to 1.
    ///   - score: what is compared with the threshold.
    public static func threshold(
        _ labels: [PseudoLabel], truth: [VideoAnnotation], target: Double, score: (PseudoLabel) -> Double
    ) -> Double? {
        let scores = labels.map(score)
        let order = labels.indices.sorted { (-scores[$0], $0) < (-scores[$1], $1) }
        var left = Dictionary(truth.map { ($0.id, $0.instances) }, uniquingKeysWith: +)
        var right = 0, best: (precision: Double, score: Double)?, found: Double?
        for (rank, place) in order.enumerated() {
            let label = labels[place], instances = left[label.video] ?? []
            let fits = instances.indices.filter { instances[$0].label == label.label }
                .map { (index: $0, tIoU: instances[$0].segment.tIoU(label.segment)) }
            if let hit = fits.max(by: { $0.tIoU < $1.tIoU }), hit.tIoU >= 0.5 {
                right += 1
                left[label.video]?.remove(at: hit.index)
            }
            // A threshold takes all predictions of equal score.
            guard rank + 1 == order.count || scores[order[rank + 1]] < scores[place] else { continue }
            let precision = Double(right) / Double(rank + 1)
            if precision >= target { found = scores[place] }
            if precision >= best?.precision ?? 0 { best = (precision, scores[place]) }
        }
        return found ?? best?.score
    }
}
