import Autograd
import Detectors
import Kernels
import NeuralNetworks

extension TriDet {
    /// The regression loss is summed over the true classes of positive points, for the trident head's distances depend on the class. With quality
    /// branches ALQA's soft target takes the place of the tIoU-weighted classification (choice: both tie the class score to the localization); a
    /// point's branches learn from the segment predicted for its first true class. Without a trident head: ActionFormer's losses.
    public func seedLosses(_ outputs: Outputs, targets: PointTargets, normalizer: Float, tape: Tape) -> [String: Double] {
        guard let start = outputs.start, let end = outputs.end else {
            return seedLosses(outputs, offsets: outputs.center, targets: targets, normalizer: normalizer)
        }
        let c = configuration, shared = c.pyramid
        let pairs = TruePairs(targets, classes: shared.classes, sequences: outputs.sequences)
        let predicted = tape.tridentOffsets(start: start, end: end, center: outputs.center, at: pairs.places)
        let regression = PointLosses.regression(
            predicted, targets: pairs.wanted, positives: Array(pairs.places.indices), pointWeights: pairs.weights,
            weight: shared.regressionWeight, normalizer: normalizer)
        return seedLosses(
            outputs, regression: regression, offsets: { pairs.firstOfEachPoint(predicted, points: outputs.logits.rows) }, targets: targets,
            normalizer: normalizer
        ) {
            PointLosses.overlapWeightedClassification(
                outputs.logits, targets: targets.classes, pointWeights: targets.weights, classWeights: shared.classWeights,
                labelSmoothing: shared.labelSmoothing, normalizer: normalizer,
                pairs: pairs.places.map { $0.row * shared.classes + $0.label }, predicted: predicted, wanted: pairs.wanted, power: c.overlapPower)
        }
    }
}

/// The true classes of positive points, in the order of points and then classes; of mixed recordings those of the one whose offsets the point has.
private struct TruePairs {
    var places: [TridentOffsets.Place] = []
    /// Distances to start and end, [pairs, 2].
    var wanted: [Float] = []
    /// Of the pairs' points; nil: all 1.
    var weights: [Float]?

    /// - Parameter sequences: where the points of each level and video begin, and the last end.
    init(_ targets: PointTargets, classes: Int, sequences: [Int]) {
        var sequence = 0
        for point in targets.positives {
            while sequences[sequence + 1] <= point { sequence += 1 }
            for label in 0..<classes where targets.classes[point * classes + label] > 0 && !targets.withoutOffsets.contains(point * classes + label) {
                places.append(TridentOffsets.Place(row: point, label: label, sequence: sequences[sequence]..<sequences[sequence + 1]))
                wanted += targets.offsets[2 * point...2 * point + 1]
            }
        }
        weights = targets.weights.map { weights in places.map { weights[$0.row] } }
    }

    /// [points, 2]: at positives the distances of the first pair, elsewhere 0; without gradient.
    func firstOfEachPoint(_ predicted: Tensor, points: Int) -> Tensor {
        let result = Tensor(rows: points, columns: 2, [Float](repeating: 0, count: 2 * points))
        for (i, place) in places.enumerated() where i == 0 || places[i - 1].row != place.row {
            result.values[2 * place.row] = predicted.values[2 * i]
            result.values[2 * place.row + 1] = predicted.values[2 * i + 1]
        }
        return result
    }
}
