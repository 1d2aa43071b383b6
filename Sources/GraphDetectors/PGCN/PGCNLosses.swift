import Autograd
import Foundation

/// P-GCN's losses on the outputs of the sampled roots, with sums of weights over the whole mini-batch; each stores its gradient (the published
/// `ops/pgcn_ops.py`, where every sample weighs 1). With a sum of 0 a loss is 0, and so is its gradient.
package struct PGCNLosses {
    let targets: PGCNTargets
    let classes: Int

    package init(_ targets: PGCNTargets, classes: Int) {
        self.targets = targets
        self.classes = classes
    }

    /// The gradient of an output, all 0.
    func cleared(_ x: Tensor) -> UnsafeMutablePointer<Float> {
        let (gradient, _) = x.gradientToWrite()
        gradient.update(repeating: 0, count: x.count)
        return gradient
    }

    /// Cross-entropy of foreground and background, the weighted mean over them.
    ///
    /// - Parameters:
    ///   - logits: [samples, classes + 1], the first of the background.
    ///   - count: weights of foreground and background over the mini-batch.
    package func activity(_ logits: Tensor, count: Double) -> Double {
        let gradient = cleared(logits), columns = classes + 1
        guard count > 0 else { return 0 }
        var sum = 0.0
        for (i, sample) in targets.samples.enumerated() where sample.kind != .incomplete {
            let row = (0..<columns).map { Double(logits.values[i * columns + $0]) }, target = sample.label + 1, w = Double(sample.weight)
            let most = row.max() ?? 0, total = row.reduce(0) { $0 + exp($1 - most) }
            sum += w * (log(total) + most - row[target])
            for c in 0..<columns {
                gradient[i * columns + c] = Float(w * (exp(row[c] - most) / total - (c == target ? 1 : 0)) / count)
            }
        }
        return sum / count
    }

    /// Hinge on the score of a sample's class: `w max(0, 1 - s)` of the positives and `w max(0, 1 + s)` of the negatives; of every recording's negatives
    /// those of the largest loss count, `max(int(ratio n), 1)` of its n.
    ///
    /// - Parameters:
    ///   - scores: [samples, classes].
    ///   - ratio: of the mining.
    ///   - divisor: over the mini-batch.
    ///   - weight: factor of the gradient.
    package func completeness(_ scores: Tensor, ratio: Double, divisor: Double, weight: Double) -> Double {
        let gradient = cleared(scores)
        guard divisor > 0 else { return 0 }
        var sum = 0.0
        func importance(_ sample: Int) -> Double { Double(targets.samples[sample].weight) }
        func hinge(_ sample: Int, _ sign: Double) -> Double {
            max(0, 1 - sign * Double(scores.values[sample * classes + targets.samples[sample].label]))
        }
        func learn(_ sample: Int, _ sign: Double) {
            let loss = hinge(sample, sign), w = importance(sample)
            sum += w * loss
            if loss > 0 { gradient[sample * classes + targets.samples[sample].label] = Float(-sign * weight * w / divisor) }
        }
        for first in stride(from: 0, to: targets.samples.count, by: max(targets.each, 1)) {
            let own = first..<min(first + targets.each, targets.samples.count)
            for sample in own where targets.samples[sample].place == .positive { learn(sample, 1) }
            let negatives = own.filter { targets.samples[$0].place == .negative }
            guard !negatives.isEmpty else { continue }
            let worst = negatives.map { (loss: importance($0) * hinge($0, -1), sample: $0) }
                .sorted { $0.loss != $1.loss ? $0.loss > $1.loss : $0.sample < $1.sample }
            for (_, sample) in worst.prefix(max(Int(Double(negatives.count) * ratio), 1)) { learn(sample, -1) }
        }
        return sum / divisor
    }

    /// Smooth L1 of the offsets of the foreground's class, twice the weighted mean over them.
    ///
    /// - Parameters:
    ///   - offsets: [samples, 2 classes].
    ///   - count: weights of the foreground over the mini-batch.
    ///   - weight: factor of the gradient.
    package func regression(_ offsets: Tensor, count: Double, weight: Double) -> Double {
        let gradient = cleared(offsets)
        guard count > 0 else { return 0 }
        var sum = 0.0
        for (i, sample) in targets.samples.enumerated() where sample.kind == .foreground {
            for end in 0..<2 {
                let place = 2 * (i * classes + sample.label) + end, difference = Double(offsets.values[place]) - Double(sample.offsets[end])
                let w = Double(sample.weight)
                sum += w * (abs(difference) < 1 ? 0.5 * difference * difference : abs(difference) - 0.5)
                gradient[place] = Float(weight * w * min(max(difference, -1), 1) / count)
            }
        }
        return sum / count
    }
}
