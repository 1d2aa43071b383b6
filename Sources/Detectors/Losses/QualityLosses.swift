import Autograd
import Configuration
import Foundation
import Kernels

/// The branches that predict the reliability of a segment (APL's ALQA and the paper's baselines).
public enum QualityBranches: String, Codable, ConfigurationChoice, Sendable {
    /// No branch: the class score stands alone.
    case none
    /// One branch that learns tIoU.
    case tiou
    /// One branch that learns DIoU: its target is `max(tIoU - tND, 0)` (choice: a cross-entropy needs a target in [0, 1]).
    case diou
    /// Two branches, tIoU and tND: ALQA.
    case tiouTND = "tiou_tnd"

    /// Published-style names of the branches' layers in the regression head.
    var layerNames: [String] {
        switch self {
        case .none: []
        case .tiou: ["tiou_head"]
        case .diou: ["diou_head"]
        case .tiouTND: ["tiou_head", "tnd_head"]
        }
    }
}

/// How the quality branches are trained and used.
public struct QualitySettings: Equatable, Sendable {
    /// The probability p in the focal loss of Eq. 5.
    public enum FocalScore: String, Codable, ConfigurationChoice, Sendable {
        /// `P_cls * P_diou`, with gradient into both factors: the paper's.
        case joint
        /// `P_cls` alone; the soft target stays.
        case classScore = "class"
    }

    public var branches = QualityBranches.none
    public var focalScore = FocalScore.joint
    /// Least value of `P_diou` (Eq. 4's "small positive value").
    public var floor: Float = 1e-3
    /// Factor of `L_loc` in the total (Eq. 12).
    public var localizationWeight: Float = 0.1
    /// Power of P_diou in the scores of detections; losses do not depend on it.
    public var power: Float = 1
    /// Focal loss's alpha.
    public var alpha: Float = 0.25

    /// The paper's joint score, `L_loc` times 0.1, `alpha` 0.25.
    public init(_ branches: QualityBranches = .none) { self.branches = branches }
}

/// The quality branches' logits, [points, 1] each: one tensor (tIoU or DIoU) or two (tIoU, tND).
public struct QualityLogits {
    public let tensors: [Tensor]
    /// One tensor for one branch, or the pair (tIoU, tND).
    public init(_ tensors: [Tensor]) { self.tensors = tensors }
}

/// Probabilities of the quality branches, per point.
public struct QualityScores: Equatable, Sendable {
    /// P_tiou, or the single branch's P_diou; [points].
    public var overlap: [Float]
    /// P_tnd; nil with a single branch.
    public var distance: [Float]?
    /// P_diou: `max(P_tiou - P_tnd, floor)`, or the single branch's probability itself.
    public var reliability: [Float]

    /// Sigmoids of the logits; with two branches the reliability is their difference, at least `settings.floor`.
    public init(_ logits: QualityLogits, settings: QualitySettings) {
        let probabilities = logits.tensors.map { tensor in
            [Float](unsafeUninitializedCapacity: tensor.count) { buffer, count in
                if let base = buffer.baseAddress { QualityAssessment.sigmoid(tensor.values, count: tensor.count, into: base) }
                count = tensor.count
            }
        }
        overlap = probabilities[0]
        if probabilities.count > 1 {
            var difference = probabilities[0]
            QualityAssessment.reliability(
                tiou: probabilities[0], tnd: probabilities[1], count: difference.count, floor: settings.floor, into: &difference)
            distance = probabilities[1]
            reliability = difference
        } else {
            reliability = probabilities[0]
        }
    }

    /// The same with the reliability to a power: 1 changes no bit.
    package func raised(to power: Float) -> QualityScores {
        guard power != 1 else { return self }
        var result = self
        result.reliability = reliability.map { pow($0, power) }
        return result
    }

    /// `P = P_cls * P_diou` (Eq. 4), [points, classes].
    public func jointScores(_ logits: Tensor) -> [Float] {
        var joint = [Float](repeating: 0, count: logits.count)
        QualityAssessment.sigmoid(logits.values, count: logits.count, into: &joint)
        for i in joint.indices { joint[i] *= reliability[i / logits.columns] }
        return joint
    }

    /// The classification target `y = onehot * P_diou`, [points, classes]; no gradient passes through it (choice).
    public func softTargets(_ oneHot: [Float], classes: Int) -> [Float] {
        var targets = oneHot
        for i in targets.indices { targets[i] *= reliability[i / classes] }
        return targets
    }
}

/// ALQA's losses over the points of a pyramid; they seed class and quality logits. The offsets' DIoU loss is `PointLosses.regression`.
public enum QualityLosses {
    /// - Parameters:
    ///   - logits: [points, classes].
    ///   - offsets: predictions, [points, 2]; the branches' targets come from them without gradient.
    ///   - quality: logits of the branches.
    ///   - targets: classes, distances and positive points.
    ///   - settings: variant, floor and weights.
    ///   - labelSmoothing: as in `PointLosses.classification`, applied to the soft target.
    ///   - classWeights: as in `PointLosses.classification`.
    ///   - normalizer: what sums over points are divided by.
    /// - Returns: focal loss (Eq. 5) and `L_loc` (Eq. 3, summed over positives, without its weight), both divided by `normalizer`.
    public static func seed(
        logits: Tensor, offsets: Tensor, quality: QualityLogits, targets: PointTargets, settings: QualitySettings, labelSmoothing: Float = 0,
        classWeights: [Float]? = nil, normalizer: Float
    ) -> (classification: Double, localization: Double) {
        let points = logits.rows, scores = QualityScores(quality, settings: settings)
        precondition(targets.classes.count == logits.count && quality.tensors.allSatisfy { $0.count == points })
        var soft = scores.softTargets(targets.classes, classes: logits.columns)
        if labelSmoothing > 0 { for i in soft.indices { soft[i] = soft[i] * (1 - labelSmoothing) + labelSmoothing / Float(logits.columns + 1) } }

        let onJoint = settings.focalScore == .joint
        var reliabilityGradient = [Float](repeating: 0, count: points)
        let classification = scores.reliability.withUnsafeBufferPointer { reliability in
            reliabilityGradient.withUnsafeMutableBufferPointer { gradient in
                QualityAssessment.softFocal(
                    logits.values, targets: soft, oneHot: targets.classes, factors: onJoint ? reliability.baseAddress : nil, points: points,
                    classes: logits.columns, weights: targets.weights, classWeights: classWeights, alpha: settings.alpha, scale: 1 / normalizer,
                    gradient: logits.requiresGradient ? logits.gradientToWrite().pointer : nil,
                    factorGradient: onJoint ? gradient.baseAddress : nil)
            }
        }
        let localization = seedLocalization(
            offsets: offsets, quality: quality, scores: scores, reliabilityGradient: reliabilityGradient, targets: targets, settings: settings,
            scale: settings.localizationWeight / normalizer)
        return (classification / Double(normalizer), localization / Double(normalizer))
    }

    /// tIoU and tND of the positives' predicted segments with their true ones.
    public static func overlap(offsets: Tensor, targets: PointTargets) -> (tiou: [Float], tnd: [Float]) {
        var predicted: [Float] = [], wanted: [Float] = []
        for point in targets.positives {
            predicted += [offsets.values[2 * point], offsets.values[2 * point + 1]]
            wanted += [targets.offsets[2 * point], targets.offsets[2 * point + 1]]
        }
        let count = targets.positives.count
        var tiou = [Float](repeating: 0, count: count), tnd = tiou
        QualityAssessment.overlap(predicted, wanted, count: count, tiou: &tiou, tnd: &tnd)
        return (tiou, tnd)
    }

    /// Writes the branches' gradients: the focal loss's, by way of P_diou, and the cross-entropy's at the positives.
    private static func seedLocalization(
        offsets: Tensor, quality: QualityLogits, scores: QualityScores, reliabilityGradient: [Float], targets: PointTargets,
        settings: QualitySettings, scale: Float
    ) -> Double {
        let (tiou, tnd) = overlap(offsets: offsets, targets: targets)
        let wanted: [[Float]] =
            switch settings.branches {
            case .none: []
            case .tiou: [tiou]
            case .diou: [zip(tiou, tnd).map { max($0 - $1, 0) }]
            case .tiouTND: [tiou, tnd]
            }
        let weights = targets.positiveWeights
        var total = 0.0
        for (branch, tensor) in quality.tensors.enumerated() {
            let picked = targets.positives.map { tensor.values[$0] }
            var gradient = [Float](repeating: 0, count: picked.count)
            total += gradient.withUnsafeMutableBufferPointer {
                BinaryCrossEntropy.withLogits(
                    picked, wanted[branch], count: picked.count, weights: weights, scale: scale, gradient: $0.baseAddress)
            }
            guard tensor.requiresGradient else { continue }
            let probabilities = branch == 0 ? scores.overlap : scores.distance ?? [], pointer = tensor.gradientToWrite().pointer
            for point in 0..<tensor.count {
                // At the floor P_diou does not move.
                let isFree = scores.distance.map { scores.overlap[point] - $0[point] > settings.floor } ?? true
                let slope = isFree ? probabilities[point] * (1 - probabilities[point]) : 0
                pointer[point] = (branch == 0 ? 1 : -1) * reliabilityGradient[point] * slope
            }
            for (i, point) in targets.positives.enumerated() { pointer[point] += gradient[i] }
        }
        return total
    }
}
