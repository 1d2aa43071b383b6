import Autograd
import NeuralNetworks
import RandomStreams

extension PyramidDetector {
    /// Divides by the first of `normalizers`, the only one of a pyramid: its running count of positive points.
    public func seedLosses(_ outputs: Outputs, targets: PointTargets, normalizers: [Float], tape: Tape) -> [String: Double] {
        seedLosses(outputs, targets: targets, normalizer: normalizers[0], tape: tape)
    }

    /// Forward pass and losses of a batch whose targets are known.
    public func losses(
        _ batch: PackedBatch, targets: PointTargets, normalizer: Float, tape: Tape, random: inout RandomStream
    ) -> [String: Double] {
        let pass = ForwardPass(tape: tape, isTraining: true, random: random)
        let outputs = self(batch.features, pass)
        random = pass.random
        return seedLosses(outputs, targets: targets, normalizer: normalizer, tape: tape)
    }

    /// `seedLosses` of distances that do not depend on the class: ActionFormer's losses.
    ///
    /// - Parameter offsets: predictions, [points, 2].
    package func seedLosses(_ outputs: Outputs, offsets: Tensor, targets: PointTargets, normalizer: Float) -> [String: Double] {
        let shared = configuration.pyramid
        let regression = PointLosses.regression(
            offsets, targets: targets.offsets, positives: targets.positives, pointWeights: targets.positiveWeights, weight: shared.regressionWeight,
            normalizer: normalizer)
        return seedLosses(outputs, regression: regression, offsets: { offsets }, targets: targets, normalizer: normalizer) {
            PointLosses.classification(
                outputs.logits, targets: targets.classes, pointWeights: targets.weights, classWeights: shared.classWeights,
                labelSmoothing: shared.labelSmoothing, normalizer: normalizer)
        }
    }

    /// The losses beside that of the distances, which has been seeded. With quality branches ALQA's soft target takes the classification's place.
    ///
    /// - Parameters:
    ///   - regression: the loss of the distances, without its weight.
    ///   - offsets: predictions that the quality branches learn from, [points, 2].
    ///   - classification: seeds the classification loss when there are no quality branches.
    package func seedLosses(
        _ outputs: Outputs, regression: Double, offsets: () -> Tensor, targets: PointTargets, normalizer: Float, classification: () -> Double
    ) -> [String: Double] {
        let shared = configuration.pyramid, weighted = Double(shared.regressionWeight) * regression
        guard let quality = outputs.quality else {
            let classification = classification()
            return ["classification": classification, "regression": regression, "total": classification + weighted]
        }
        let (classification, localization) = QualityLosses.seed(
            logits: outputs.logits, offsets: offsets(), quality: quality, targets: targets, settings: shared.quality,
            labelSmoothing: shared.labelSmoothing, classWeights: shared.classWeights, normalizer: normalizer)
        return [
            "classification": classification, "regression": regression, "localization": localization,
            "total": classification + weighted + Double(shared.quality.localizationWeight) * localization,
        ]
    }
}
