import Foundation

/// BMN's losses on probabilities, with counts over the whole mini-batch, each beside its gradient.
package enum BMNLosses {
    /// Added to a probability before its logarithm is taken, as in the published code.
    package static let epsilon = 1e-6

    /// Values of one channel: `base[stride * i]`.
    package struct Channel {
        var values: UnsafePointer<Float>
        var gradient: UnsafeMutablePointer<Float>
        var stride: Int

        package init(values: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>, stride: Int = 1) {
            self.values = values
            self.gradient = gradient
            self.stride = stride
        }
    }

    /// What terms of positive and of negative entries are multiplied by: `0.5 r` and `0.5 r / (r - 1)`, r = entries / positives; both 1 without positives
    /// and without negatives.
    private static func balance(entries: Float, positives: Float) -> (positive: Double, negative: Double) {
        guard positives > 0, positives < entries else { return (1, 1) }
        let ratio = Double(entries) / Double(positives)
        return (0.5 * ratio, 0.5 * ratio / (ratio - 1))
    }

    /// The weighted logistic loss of some of a mini-batch's entries:
    /// `-(1 / n) sum w [0.5 r y log(p + eps) + 0.5 r / (r - 1) (1 - y) log(1 - p + eps)]`, r = n / positives. Without positives, or without negatives,
    /// both factors are 1.
    ///
    /// - Parameters:
    ///   - channel: probabilities; the gradient is stored, 0 for entries of weight 0.
    ///   - targets: those above `threshold` are positive.
    ///   - entries: n, the sum of the weights over the mini-batch.
    ///   - positives: of their weights, over the mini-batch.
    ///   - weight: w of an entry; 0: it does not count.
    package static func logistic(
        _ channel: Channel, targets: [Float], threshold: Float, entries: Float, positives: Float, weight: (Int) -> Float
    ) -> Double {
        let (positive, negative) = balance(entries: entries, positives: positives)
        var sum = 0.0
        for (i, target) in targets.enumerated() {
            let place = i * channel.stride, p = Double(channel.values[place]), w = Double(weight(i))
            guard w != 0 else {
                channel.gradient[place] = 0
                continue
            }
            if target > threshold {
                sum -= w * (positive * log(p + epsilon))
                channel.gradient[place] = Float(w * (-positive / (p + epsilon) / Double(entries)))
            } else {
                sum -= w * (negative * log(1 - p + epsilon))
                channel.gradient[place] = Float(w * (negative / (1 - p + epsilon) / Double(entries)))
            }
        }
        return entries > 0 ? sum / Double(entries) : 0
    }

    /// The weighted logistic loss with soft labels (APL, Eq. 5, in BMN's balance):
    /// `-(1 / n) sum w [c1 pos (y log(q + eps) + (1 - y) log(1 - q + eps)) + c0 neg log(1 - q + eps)]`, y the reliability of the positives, without
    /// gradient.
    ///
    /// - Parameters:
    ///   - channel: P_cls; the gradient is stored, 0 for entries of weight 0.
    ///   - reliability: P_diou of each entry.
    ///   - isJoint: q is P_cls times P_diou; otherwise P_cls.
    ///   - targets: those above `threshold` are positive.
    ///   - entries: n, the sum of the weights over the mini-batch.
    ///   - positives: of their weights, over the mini-batch.
    ///   - weight: w of an entry; 0: it does not count.
    /// - Returns: the loss, and its gradient by each P_diou; 0 unless `isJoint`.
    package static func softLogistic(
        _ channel: Channel, reliability: [Float], isJoint: Bool, targets: [Float], threshold: Float, entries: Float, positives: Float,
        weight: (Int) -> Float
    ) -> (loss: Double, gradient: [Float]) {
        let (positive, negative) = balance(entries: entries, positives: positives)
        var sum = 0.0, byReliability = [Float](repeating: 0, count: targets.count)
        for (i, target) in targets.enumerated() {
            let place = i * channel.stride, w = Double(weight(i))
            guard w != 0 else {
                channel.gradient[place] = 0
                continue
            }
            let p = Double(channel.values[place]), factor = isJoint ? Double(reliability[i]) : 1, q = p * factor
            let isPositive = target > threshold, balance = isPositive ? positive : negative, y = isPositive ? Double(reliability[i]) : 0
            sum -= w * balance * (y * log(q + epsilon) + (1 - y) * log(1 - q + epsilon))
            let slope = -w * balance * (y / (q + epsilon) - (1 - y) / (1 - q + epsilon)) / Double(entries)
            channel.gradient[place] = Float(slope * factor)
            if isJoint { byReliability[i] = Float(slope * p) }
        }
        return (entries > 0 ? sum / Double(entries) : 0, byReliability)
    }

    /// `0.5 sum over the cells taken w (p - G)^2 / the sum of their weights`.
    ///
    /// - Parameters:
    ///   - channel: predicted overlaps; the gradient of `weight` times the loss is stored.
    ///   - targets: G.
    ///   - taken: of each cell, whether it counts.
    ///   - weights: w of each cell; nil: all 1.
    ///   - count: cells taken over the mini-batch, or the sum of their weights.
    ///   - weight: factor of the gradient.
    package static func regression(
        _ channel: Channel, targets: [Float], taken: [Bool], weights: [Float]? = nil, count: Float, weight: Double
    ) -> Double {
        0.5
            * overTaken(channel, targets, taken, weights, count: count, weight: weight) { p, y in
                let difference = p - y
                return (difference * difference, difference)
            }
    }

    /// `-sum over the cells taken w [y log(p + eps) + (1 - y) log(1 - p + eps)] / the sum of their weights`.
    ///
    /// - Parameters:
    ///   - channel: predicted tND; the gradient of `weight` times the loss is stored.
    ///   - targets: y, tND, in [0, 1].
    ///   - taken: of each cell, whether it counts.
    ///   - weights: w of each cell; nil: all 1.
    ///   - count: cells taken over the mini-batch, or the sum of their weights.
    ///   - weight: factor of the gradient.
    package static func crossEntropy(
        _ channel: Channel, targets: [Float], taken: [Bool], weights: [Float]? = nil, count: Float, weight: Double
    ) -> Double {
        overTaken(channel, targets, taken, weights, count: count, weight: weight) { p, y in
            (-(y * log(p + epsilon) + (1 - y) * log(1 - p + epsilon)), (1 - y) / (1 - p + epsilon) - y / (p + epsilon))
        }
    }

    /// The weighted mean of a loss over the cells taken; gradients are stored, 0 for the others.
    ///
    /// - Parameter loss: takes prediction and target, gives the loss and its slope.
    private static func overTaken(
        _ channel: Channel, _ targets: [Float], _ taken: [Bool], _ weights: [Float]?, count: Float, weight: Double,
        _ loss: (_ prediction: Double, _ target: Double) -> (value: Double, slope: Double)
    ) -> Double {
        var sum = 0.0
        for (i, target) in targets.enumerated() {
            let place = i * channel.stride
            guard taken[i] else {
                channel.gradient[place] = 0
                continue
            }
            let w = weights.map { Double($0[i]) } ?? 1, (value, slope) = loss(Double(channel.values[place]), Double(target))
            sum += w * value
            channel.gradient[place] = Float(w * (weight * slope / Double(count)))
        }
        return count > 0 ? sum / Double(count) : 0
    }
}
