import Autograd
import Kernels

/// The losses of dense detectors over the points of a pyramid. They seed the gradients of the heads' outputs.
public enum PointLosses {
    /// Sigmoid focal loss over all points and classes, divided by `normalizer`.
    ///
    /// - Parameters:
    ///   - logits: [points, classes].
    ///   - targets: [points, classes], 0 or 1.
    ///   - pointWeights: [points], factors of a point's terms; nil: all 1.
    ///   - classWeights: [classes], factors of a class's terms; nil: all 1.
    ///   - labelSmoothing: e; targets become `(1 - e) y + e / (classes + 1)`.
    ///   - normalizer: what sums over points are divided by.
    public static func classification(
        _ logits: Tensor, targets: [Float], pointWeights: [Float]? = nil, classWeights: [Float]? = nil, labelSmoothing: Float, normalizer: Float
    ) -> Double {
        precondition(targets.count == logits.count)
        let smoothed =
            labelSmoothing > 0 ? targets.map { $0 * (1 - labelSmoothing) + labelSmoothing / Float(logits.columns + 1) } : targets
        let gradient = logits.requiresGradient ? logits.gradientToWrite().pointer : nil
        return DetectionLosses.sigmoidFocal(
            logits.values, smoothed, count: logits.count, weights: pointWeights, classWeights: classWeights, columns: logits.columns,
            scale: 1 / normalizer,
            gradient: gradient)
            / Double(normalizer)
    }

    /// DIoU loss over the positive points, divided by `normalizer`.
    ///
    /// - Parameters:
    ///   - offsets: predictions [points, 2].
    ///   - targets: [points, 2].
    ///   - positives: indices of points.
    ///   - pointWeights: factors of the positives' terms, in their order; nil: all 1.
    ///   - weight: factor of the gradient (the value returned is without it).
    ///   - normalizer: what sums over points are divided by.
    public static func regression(
        _ offsets: Tensor, targets: [Float], positives: [Int], pointWeights: [Float]? = nil, weight: Float, normalizer: Float
    ) -> Double {
        var predicted: [Float] = [], wanted: [Float] = []
        for point in positives {
            predicted += [offsets.values[2 * point], offsets.values[2 * point + 1]]
            wanted += [targets[2 * point], targets[2 * point + 1]]
        }
        var gradient = [Float](repeating: 0, count: predicted.count)
        let loss = gradient.withUnsafeMutableBufferPointer {
            DetectionLosses.distanceIoU(
                predicted, wanted, count: positives.count, weights: pointWeights, scale: weight / normalizer, gradient: $0.baseAddress)
        }
        if offsets.requiresGradient {
            let pointer = offsets.gradientToWrite().pointer
            pointer.update(repeating: 0, count: offsets.count)
            for (i, point) in positives.enumerated() {
                pointer[2 * point] = gradient[2 * i]
                pointer[2 * point + 1] = gradient[2 * i + 1]
            }
        }
        return loss / Double(normalizer)
    }
}
