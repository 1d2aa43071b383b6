import Foundation

/// Binary cross-entropy of probabilities given as logits.
public enum BinaryCrossEntropy {
    /// Summed: `-(t log p + (1 - t) log(1 - p))` with `p = sigmoid(x)`, in a form that no logit overflows.
    ///
    /// - Parameters:
    ///   - x: logits, [count].
    ///   - targets: [count], in [0, 1].
    ///   - count: number of elements.
    ///   - weights: [count], factors of the terms; nil: all 1.
    ///   - scale: factor of the gradient.
    ///   - gradient: receives `scale` * d loss / d x = `scale * (p - t)`.
    /// - Returns: the sum of the losses, not scaled.
    public static func withLogits(
        _ x: UnsafePointer<Float>, _ targets: UnsafePointer<Float>, count: Int, weights: UnsafePointer<Float>? = nil, scale: Float,
        gradient: UnsafeMutablePointer<Float>?
    ) -> Double {
        var total = 0.0
        for i in 0..<count {
            let x = x[i], e = exp(-abs(x)), weight = weights?[i] ?? 1
            total += Double(weight * (max(x, 0) - x * targets[i] + log1p(e)))
            if let gradient { gradient[i] = weight * (scale * ((x >= 0 ? 1 / (1 + e) : e / (1 + e)) - targets[i])) }
        }
        return total
    }
}
