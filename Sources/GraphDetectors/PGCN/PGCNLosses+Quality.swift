import Autograd
import Detectors
import Foundation
import Kernels

/// ALQA's losses (APL, section 3.1; how they meet P-GCN's is a choice).
extension PGCNLosses {
    /// Cross-entropy of foreground and background with soft labels, the weighted mean over them.
    ///
    /// The label of foreground is y = r for its class and 1 - y for the background, without gradient through y; that of background is 1 for the
    /// background. The probability of a class is `q_k = r softmax(logits)_k`, what is left belongs to the background (r = P_diou), or, without the joint
    /// score, softmax(logits) itself.
    ///
    /// - Parameters:
    ///   - logits: [samples, classes + 1], the first of the background; their gradient is stored.
    ///   - reliability: r of every sample, in [0, 1].
    ///   - isJoint: whether q is the joint score.
    ///   - count: weights of foreground and background over the mini-batch.
    /// - Returns: the loss, and its gradient by r of every sample; 0 unless `isJoint`.
    package func softActivity(_ logits: Tensor, reliability: [Float], isJoint: Bool, count: Double) -> (loss: Double, slopes: [Double]) {
        let gradient = cleared(logits), columns = classes + 1
        var sum = 0.0, slopes = [Double](repeating: 0, count: targets.samples.count)
        guard count > 0 else { return (0, slopes) }
        let least = Double.leastNormalMagnitude
        for (i, sample) in targets.samples.enumerated() where sample.kind != .incomplete {
            let row = (0..<columns).map { Double(logits.values[i * columns + $0]) }, target = sample.label + 1, w = Double(sample.weight)
            let most = row.max() ?? 0, total = row.reduce(0) { $0 + exp($1 - most) }
            let probabilities = row.map { exp($0 - most) / total }, r = isJoint ? Double(reliability[i]) : 1
            let y = sample.kind == .foreground ? Double(reliability[i]) : 0
            // 1 less what the classes have, without cancellation.
            let others = probabilities.dropFirst().reduce(0, +), rest = max(probabilities[0] + (1 - r) * others, least)
            if y > 0 { sum -= w * y * (row[target] - most - log(total) + log(max(r, least))) }
            sum -= w * (1 - y) * log(rest)
            for c in 0..<columns {
                let ofClass = y * (probabilities[c] - (c == target ? 1 : 0))
                let ofRest = (1 - y) * r * probabilities[0] * (probabilities[c] - (c == 0 ? 1 : 0)) / rest
                gradient[i * columns + c] = Float(w * (ofClass + ofRest) / count)
            }
            if isJoint { slopes[i] = w * ((1 - y) * others / rest - y / max(r, least)) / count }
        }
        return (sum / count, slopes)
    }

    /// tIoU and, with two branches, tND of every foreground and incomplete root, moved by the offsets of its class, with its action; nil for background.
    ///
    /// - Parameters:
    ///   - offsets: [samples, 2 classes], standardised; no gradient passes through them.
    ///   - statistics: of the offsets.
    package func assessments(_ offsets: Tensor, _ statistics: OffsetStatistics) -> [(tIoU: Double, tND: Double)?] {
        targets.samples.enumerated().map { i, sample in
            guard let match = sample.match else { return nil }
            let place = 2 * (i * classes + sample.label)
            let raw = SIMD2(Double(offsets.values[place]), Double(offsets.values[place + 1]))
            let moved = match.root.moved(by: raw * statistics.deviation + statistics.mean)
            return (moved.tIoU(match.action), moved.tND(match.action))
        }
    }

    /// `BCE(P_tiou, tIoU) + BCE(P_tnd, tND)` (APL, Eq. 3) of foreground and incomplete roots, the weighted mean over them.
    ///
    /// - Parameters:
    ///   - quality: logits of the branches, [samples, 1] each; the gradient of `weight` times the loss is stored, with `slopes` by way of P_diou.
    ///   - assessments: of the samples.
    ///   - count: weights of foreground and incomplete roots over the mini-batch.
    ///   - weight: factor of the gradient.
    ///   - scores: of the branches.
    ///   - slopes: gradient of the whole loss by each sample's P_diou.
    ///   - floor: least value of P_diou with two branches, where it does not move.
    package func localization(
        _ quality: [Tensor], _ assessments: [(tIoU: Double, tND: Double)?], count: Double, weight: Double, scores: QualityScores,
        slopes: [Double], floor: Float
    ) -> Double {
        var sum = 0.0
        for (branch, logits) in quality.enumerated() {
            let gradient = cleared(logits), probabilities = branch == 0 ? scores.overlap : scores.distance ?? []
            for (i, sample) in targets.samples.enumerated() {
                let x = Double(logits.values[i]), p = Double(probabilities[i])
                let isFree = scores.distance.map { scores.overlap[i] - $0[i] > floor } ?? true
                var slope = isFree ? (branch == 0 ? 1 : -1) * slopes[i] * p * (1 - p) : 0
                if let wanted = assessments[i].map({ branch == 0 ? $0.tIoU : $0.tND }), count > 0 {
                    let w = Double(sample.weight)
                    sum += w * (max(x, 0) - x * wanted + log1p(exp(-abs(x))))
                    slope += weight * w * (p - wanted) / count
                }
                gradient[i] = Float(slope)
            }
        }
        return count > 0 ? sum / count : 0
    }
}
