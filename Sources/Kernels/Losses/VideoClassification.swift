import Foundation

/// Losses of whole videos' class scores.
public enum VideoClassification {
    /// Cross-entropy of `p = softmax(x)` against a target distribution, each class for itself as a Bernoulli variable, and summed:
    /// `-(t log p + (1 - t) log(1 - p))`; logarithms are not let below -100 (as PyTorch's BCELoss has it).
    ///
    /// - Parameters:
    ///   - x: [rows, classes].
    ///   - targets: [rows, classes], in [0, 1].
    ///   - rows: number of rows.
    ///   - classes: number of classes.
    ///   - scale: factor of the gradient.
    ///   - gradient: receives `scale` * d loss / d x; nil: not computed.
    /// - Returns: the sum over rows and classes, not scaled.
    public static func softmaxCrossEntropy(
        _ x: UnsafePointer<Float>, _ targets: UnsafePointer<Float>, rows: Int, classes: Int, scale: Float, gradient: UnsafeMutablePointer<Float>?
    ) -> Double {
        var total = 0.0
        var p = [Double](repeating: 0, count: classes), dp = p
        for row in 0..<rows {
            let x = x + row * classes, targets = targets + row * classes
            probabilities(x, classes: classes, into: &p)
            var along = 0.0
            for c in 0..<classes {
                let t = Double(targets[c])
                total -= t * max(log(p[c]), -100) + (1 - t) * max(log(1 - p[c]), -100)
                dp[c] = (p[c] - t) / max(p[c] * (1 - p[c]), 1e-12)
                along += p[c] * dp[c]
            }
            guard let gradient = gradient.map({ $0 + row * classes }) else { continue }
            for c in 0..<classes { gradient[c] = scale * Float(p[c] * (dp[c] - along)) }
        }
        return total
    }

    /// softmax of one row, in double precision.
    public static func probabilities(_ x: UnsafePointer<Float>, classes: Int, into p: inout [Double]) {
        var greatest = -Float.infinity
        for c in 0..<classes { greatest = max(greatest, x[c]) }
        var sum = 0.0
        for c in 0..<classes {
            p[c] = exp(Double(x[c]) - Double(greatest))
            sum += p[c]
        }
        for c in 0..<classes { p[c] /= sum }
    }
}
