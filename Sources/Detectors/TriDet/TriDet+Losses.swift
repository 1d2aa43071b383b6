import Autograd
import Kernels
import NeuralNetworks

extension TriDet: PyramidDetector {
    public var pyramidParameters: [String] { ["backbone.", "neck."] }

    public func lossesWithLogits(
        _ levels: [PackedSequence], targets: PointTargets, normalizer: Float, _ pass: ForwardPass
    ) -> (losses: [String: Double], logits: Tensor) {
        let outputs = heads(levels, pass)
        return (seedLosses(outputs, targets: targets, normalizer: normalizer, tape: pass.tape), outputs.logits)
    }

    /// Seeds the gradients of the heads' outputs.
    ///
    /// The regression loss is summed over the true classes of positive points, for the trident head's distances depend on the class. With quality
    /// branches ALQA's soft target takes the place of the tIoU-weighted classification (choice: both tie the class score to the localization); a
    /// point's branches learn from the segment predicted for its first true class.
    ///
    /// - Returns: `classification`, `regression`, with quality branches `localization`, and `total`, the weighted sum; all divided by the normaliser.
    public func seedLosses(_ outputs: Outputs, targets: PointTargets, normalizer: Float, tape: Tape) -> [String: Double] {
        let c = configuration
        guard let start = outputs.start, let end = outputs.end else {
            return seedLosses(outputs, offsets: outputs.center, targets: targets, normalizer: normalizer)
        }
        let pairs = TruePairs(targets, classes: c.classes, sequences: outputs.sequences)
        let predicted = tape.tridentOffsets(start: start, end: end, center: outputs.center, at: pairs.places)
        let regression = PointLosses.regression(
            predicted, targets: pairs.wanted, positives: Array(pairs.places.indices), weight: c.regressionWeight, normalizer: normalizer)
        guard let quality = outputs.quality else {
            let classification = PointLosses.overlapWeightedClassification(
                outputs.logits, targets: targets.classes, labelSmoothing: c.labelSmoothing, normalizer: normalizer,
                pairs: pairs.places.map { $0.row * c.classes + $0.label }, predicted: predicted, wanted: pairs.wanted, power: c.overlapPower)
            return total(classification, regression, localization: nil)
        }
        let (classification, localization) = QualityLosses.seed(
            logits: outputs.logits, offsets: pairs.firstOfEachPoint(predicted, points: outputs.logits.rows), quality: quality, targets: targets,
            settings: c.quality, labelSmoothing: c.labelSmoothing, normalizer: normalizer)
        return total(classification, regression, localization: localization)
    }

    /// Without a trident head: ActionFormer's losses.
    private func seedLosses(_ outputs: Outputs, offsets: Tensor, targets: PointTargets, normalizer: Float) -> [String: Double] {
        let c = configuration
        let regression = PointLosses.regression(
            offsets, targets: targets.offsets, positives: targets.positives, weight: c.regressionWeight, normalizer: normalizer)
        guard let quality = outputs.quality else {
            let classification = PointLosses.classification(
                outputs.logits, targets: targets.classes, labelSmoothing: c.labelSmoothing, normalizer: normalizer)
            return total(classification, regression, localization: nil)
        }
        let (classification, localization) = QualityLosses.seed(
            logits: outputs.logits, offsets: offsets, quality: quality, targets: targets, settings: c.quality, labelSmoothing: c.labelSmoothing,
            normalizer: normalizer)
        return total(classification, regression, localization: localization)
    }

    private func total(_ classification: Double, _ regression: Double, localization: Double?) -> [String: Double] {
        let c = configuration, detection = classification + Double(c.regressionWeight) * regression
        guard let localization else { return ["classification": classification, "regression": regression, "total": detection] }
        return [
            "classification": classification, "regression": regression, "localization": localization,
            "total": detection + Double(c.quality.localizationWeight) * localization,
        ]
    }
}

/// The true classes of positive points, in the order of points and then classes.
private struct TruePairs {
    var places: [TridentOffsets.Place] = []
    /// Distances to start and end, [pairs, 2].
    var wanted: [Float] = []

    /// - Parameter sequences: where the points of each level and video begin, and the last end.
    init(_ targets: PointTargets, classes: Int, sequences: [Int]) {
        var sequence = 0
        for point in targets.positives {
            while sequences[sequence + 1] <= point { sequence += 1 }
            for label in 0..<classes where targets.classes[point * classes + label] > 0 {
                places.append(TridentOffsets.Place(row: point, label: label, sequence: sequences[sequence]..<sequences[sequence + 1]))
                wanted += targets.offsets[2 * point...2 * point + 1]
            }
        }
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
