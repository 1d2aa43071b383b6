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

    /// The weighted logistic loss of some of a mini-batch's entries:
    /// `-(1 / n) sum [0.5 r y log(p + eps) + 0.5 r / (r - 1) (1 - y) log(1 - p + eps)]`, r = n / positives. Without positives, or without negatives,
    /// both factors are 1.
    ///
    /// - Parameters:
    ///   - channel: probabilities; the gradient is stored, 0 for entries that do not count.
    ///   - targets: those above `threshold` are positive.
    ///   - entries: n, over the mini-batch.
    ///   - positives: over the mini-batch.
    ///   - isCounted: of an entry.
    package static func logistic(
        _ channel: Channel, targets: [Float], threshold: Float, entries: Float, positives: Float, isCounted: (Int) -> Bool
    ) -> Double {
        var positive = 1.0, negative = 1.0
        if positives > 0, positives < entries {
            let ratio = Double(entries) / Double(positives)
            positive = 0.5 * ratio
            negative = 0.5 * ratio / (ratio - 1)
        }
        var sum = 0.0
        for (i, target) in targets.enumerated() {
            let place = i * channel.stride, p = Double(channel.values[place])
            guard isCounted(i) else {
                channel.gradient[place] = 0
                continue
            }
            if target > threshold {
                sum -= positive * log(p + epsilon)
                channel.gradient[place] = Float(-positive / (p + epsilon) / Double(entries))
            } else {
                sum -= negative * log(1 - p + epsilon)
                channel.gradient[place] = Float(negative / (1 - p + epsilon) / Double(entries))
            }
        }
        return entries > 0 ? sum / Double(entries) : 0
    }

    /// `0.5 sum over the cells taken (p - G)^2 / their number`.
    ///
    /// - Parameters:
    ///   - channel: predicted overlaps; the gradient of `weight` times the loss is stored.
    ///   - targets: G.
    ///   - taken: of each cell, whether it counts.
    ///   - count: cells taken over the mini-batch.
    ///   - weight: factor of the gradient.
    package static func regression(_ channel: Channel, targets: [Float], taken: [Bool], count: Float, weight: Double) -> Double {
        var sum = 0.0
        for (i, target) in targets.enumerated() {
            let place = i * channel.stride
            guard taken[i] else {
                channel.gradient[place] = 0
                continue
            }
            let difference = Double(channel.values[place]) - Double(target)
            sum += difference * difference
            channel.gradient[place] = Float(weight * difference / Double(count))
        }
        return count > 0 ? 0.5 * sum / Double(count) : 0
    }
}
