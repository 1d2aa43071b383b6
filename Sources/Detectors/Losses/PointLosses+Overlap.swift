import Autograd
import Kernels

extension PointLosses {
    /// Focal loss whose terms for true classes of positive points are multiplied by the tIoU of the segment predicted for them, to a power (TriDet's
    /// published code). Like there, the gradient goes into the logits and into the predicted distances.
    ///
    /// - Parameters:
    ///   - logits: [points, classes].
    ///   - targets: [points, classes], 0 or 1.
    ///   - pointWeights: as in `classification`.
    ///   - classWeights: as in `classification`.
    ///   - labelSmoothing: e; targets become `(1 - e) y + e / (classes + 1)`.
    ///   - normalizer: as in `classification`.
    ///   - pairs: places in `logits` of the true classes of positive points.
    ///   - predicted: distances to start and end per pair, [pairs, 2]; their gradient is added to what is there.
    ///   - wanted: [pairs, 2].
    ///   - power: of the tIoU.
    public static func overlapWeightedClassification(
        _ logits: Tensor, targets: [Float], pointWeights: [Float]? = nil, classWeights: [Float]? = nil, labelSmoothing: Float, normalizer: Float,
        pairs: [Int], predicted: Tensor, wanted: [Float], power: Float
    ) -> Double {
        precondition(predicted.rows == pairs.count && wanted.count == 2 * pairs.count)
        let plain = classification(
            logits, targets: targets, pointWeights: pointWeights, classWeights: classWeights, labelSmoothing: labelSmoothing, normalizer: normalizer)
        var factors = [Float](repeating: 0, count: pairs.count), slopes = [Float](repeating: 0, count: 2 * pairs.count)
        DetectionLosses.overlapPower(predicted.values, wanted, count: pairs.count, power: power, values: &factors, gradient: &slopes)
        let gradient = logits.gradient, reach = predicted.requiresGradient ? predicted.gradientToWrite() : nil
        if let reach, !reach.add { reach.pointer.update(repeating: 0, count: predicted.count) }
        var correction = 0.0
        for (i, place) in pairs.enumerated() {
            let target = (1 - labelSmoothing) * targets[place] + labelSmoothing / Float(logits.columns + 1)
            let weight = Double(pointWeights?[place / logits.columns] ?? 1) * Double(classWeights?[place % logits.columns] ?? 1)
            let loss = weight * DetectionLosses.sigmoidFocal([logits.values[place]], [target], count: 1, scale: 1, gradient: nil)
            correction += (Double(factors[i]) - 1) * loss
            gradient?[place] *= factors[i]
            guard let reach else { continue }
            let share = Float(loss) / normalizer
            reach.pointer[2 * i] += share * slopes[2 * i]
            reach.pointer[2 * i + 1] += share * slopes[2 * i + 1]
        }
        return plain + correction / Double(normalizer)
    }
}
