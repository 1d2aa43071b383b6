import Detectors
import Foundation
import RandomStreams

/// MixUp of recordings (Zhang et al., ICLR 2018), which the APL paper compares with: features `w x + (1 - w) x'`, loss `w L(y) + (1 - w) L(y')`.
///
/// *Choices*: w is drawn from Beta(alpha, alpha) and made at least 1/2, so that the first recording prevails; a recording longer than its partner
/// stays as it is beyond the partner's end; of a longer partner the beginning is taken.
enum Mixup {
    /// The first recording's weight, in [1/2, 1].
    static func weight(alpha: Double, random: inout RandomStream) -> Float {
        let a = gamma(alpha, &random), b = gamma(alpha, &random)
        let share = a + b > 0 ? a / (a + b) : 0.5
        return Float(max(share, 1 - share))
    }

    /// Mixes partners into the features of a batch, in place.
    ///
    /// - Parameters:
    ///   - others: as many recordings.
    ///   - keptPart: the part of a partner's action that must lie within the recording for the action to be kept.
    /// - Returns: the same features with the partners' actions.
    static func mix(_ batch: PackedBatch, with others: PackedBatch, weight: Float, keptPart: Double) -> PackedBatch {
        precondition(others.features.count == batch.features.count && others.features.columns == batch.features.columns)
        let columns = batch.features.columns
        var result = batch
        for video in 0..<batch.features.count {
            let rows = batch.features.rows(of: video), other = others.features.rows(of: video)
            let to = batch.features.tensor.values + rows.lowerBound * columns
            let from = others.features.tensor.values + other.lowerBound * columns
            for i in 0..<min(rows.count, other.count) * columns { to[i] = weight * to[i] + (1 - weight) * from[i] }
            let end = Float(rows.count - 1)
            result.instances[video] = others.instances[video].compactMap { instance in
                var kept = instance
                kept.segment.end = min(kept.segment.end, end)
                return Double(kept.segment.length) >= keptPart * Double(instance.segment.length) && kept.segment.length > 0 ? kept : nil
            }
        }
        return result
    }

    /// Gamma(shape, 1), by Marsaglia and Tsang (2000).
    private static func gamma(_ shape: Double, _ random: inout RandomStream) -> Double {
        if shape < 1 { return gamma(shape + 1, &random) * pow(1 - Double(random.uniform()), 1 / shape) }
        let d = shape - 1 / 3, c = 1 / (9 * d).squareRoot()
        while true {
            let x = Double(random.normal()), v = (1 + c * x) * (1 + c * x) * (1 + c * x)
            if v > 0, log(1 - Double(random.uniform())) < 0.5 * x * x + d - d * v + d * log(v) { return d * v }
        }
    }
}
