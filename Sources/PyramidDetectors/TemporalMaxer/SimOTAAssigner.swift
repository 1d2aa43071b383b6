import Detectors
import Foundation
import TemporalAnnotations

/// Assigns actions and weights to a pyramid's points by the network's predictions (SimOTA of YOLOX, arXiv 2107.08430, as TemporalMaxer has it).
///
/// Positive points and their classes are those of center sampling. Of the actions that a point lies in, its offsets lead to the one of the least
/// cost: focal loss of the action's class over all classes, and DIoU loss of the predicted segment, each with a weight. Of the points in an action,
/// on all levels, the share of least cost weighs 1, the others `confusedWeight`; a point that is kept by one action weighs 1.
public struct SimOTAAssigner: Hashable, Sendable {
    /// Gives positive points and classes.
    public var candidates: CenterSamplingAssigner
    /// Weights of the DIoU loss and of the focal loss in the cost.
    public var overlapWeight: Float
    public var classWeight: Float
    /// The share of the points in an action that keep their weight, rounded down to whole points.
    public var keptShare: Float
    /// Weight of the other points.
    public var confusedWeight: Float

    /// Weights of the cost, 0 or more; `keptShare` and `confusedWeight` in [0, 1].
    public init(
        candidates: CenterSamplingAssigner, overlapWeight: Float = 3, classWeight: Float = 1, keptShare: Float = 0.65, confusedWeight: Float = 0.1
    ) {
        self.candidates = candidates
        self.overlapWeight = overlapWeight
        self.classWeight = classWeight
        self.keptShare = keptShare
        self.confusedWeight = confusedWeight
    }

    /// What the network says of the points.
    public struct Predictions {
        /// [points, classes].
        public var logits: UnsafePointer<Float>
        /// [points, 2], distances to start and end in strides of the level.
        public var offsets: UnsafePointer<Float>

        /// Of the same points, in the same order; not copied.
        public init(logits: UnsafePointer<Float>, offsets: UnsafePointer<Float>) {
            self.logits = logits
            self.offsets = offsets
        }
    }

    /// - Parameters:
    ///   - points: as many levels as regression ranges.
    ///   - instances: per video of `points`; labels below the number of classes.
    ///   - predictions: what the network said of the points.
    ///   - weights: of the instances and of regions; a positive point's own weight is multiplied by that of the action which its offsets lead to.
    /// - Returns: targets with weights: of positive points as above, 1 of the others, 0 in ignored regions.
    public func assign(
        _ points: PyramidPoints, instances: [[GridInstance]], predictions: Predictions, weights: LabelWeights? = nil
    ) -> PointTargets {
        var targets = candidates.assign(points, instances: instances, weights: weights)
        var factors = targets.weights ?? [Float](repeating: 1, count: points.count)
        let isPositive = Set(targets.positives)
        for (video, instances) in instances.enumerated() where !instances.isEmpty {
            let match = match(points, video: video, instances: instances, predictions: predictions)
            for (place, point) in points.indices(video: video).enumerated() {
                let chosen = match.chosen[place], segment = instances[chosen].segment
                let stride = match.strides[place], position = match.positions[place]
                targets.offsets[2 * point] = (position - segment.start) / stride
                targets.offsets[2 * point + 1] = (segment.end - position) / stride
                if isPositive.contains(point) { factors[point] = match.weights[place] * (weights?.instances[video][chosen] ?? 1) }
            }
        }
        targets.weights = factors
        return targets
    }

    /// One video's points, finest level first, matched with its instances.
    public struct Match: Equatable, Sendable {
        /// Positions on the grid, and strides of the levels.
        public internal(set) var positions: [Float] = []
        public internal(set) var strides: [Float] = []
        /// The instance of least cost; the first where a point lies in none.
        public internal(set) var chosen: [Int] = []
        /// 1 where a point lies in no instance.
        public internal(set) var weights: [Float] = []
    }

    /// - Parameters:
    ///   - points: of all levels and videos.
    ///   - video: the recording.
    ///   - instances: of the video; at least one.
    ///   - predictions: what the network said of the points.
    public func match(_ points: PyramidPoints, video: Int, instances: [GridInstance], predictions: Predictions) -> Match {
        var result = Match()
        for level in 0..<points.levels {
            let stride = Float(points.stride(level: level))
            for i in points.range(level: level, video: video).indices {
                result.positions.append(Float(i - points.range(level: level, video: video).lowerBound) * stride)
                result.strides.append(stride)
            }
        }
        let indices = points.indices(video: video)
        result.chosen = [Int](repeating: 0, count: indices.count)
        var least = [Double](repeating: .infinity, count: indices.count), isKept = [Bool](repeating: false, count: indices.count)
        var background = [Double?](repeating: nil, count: indices.count)
        for (number, instance) in instances.enumerated() {
            var costs: [(cost: Double, place: Int)] = []
            for (place, point) in indices.enumerated() {
                let left = result.positions[place] - instance.segment.start, right = instance.segment.end - result.positions[place]
                guard left >= 0, right >= 0 else { continue }
                let logits = predictions.logits + point * candidates.classes
                let rest = background[place] ?? (0..<candidates.classes).reduce(0) { $0 + Self.focal(logits[$1], isTrue: false) }
                background[place] = rest
                let own = logits[instance.label], classCost = rest - Self.focal(own, isTrue: false) + Self.focal(own, isTrue: true)
                let stride = result.strides[place]
                let overlapCost = Self.distanceIoU(predictions.offsets + 2 * point, left / stride, right / stride)
                let cost = Double(classWeight) * classCost + Double(overlapWeight) * overlapCost
                costs.append((cost, place))
                if cost < least[place] {
                    least[place] = cost
                    result.chosen[place] = number
                }
            }
            costs.sort { $0.cost != $1.cost ? $0.cost < $1.cost : $0.place < $1.place }
            // As many as the published single-precision product says.
            for (_, place) in costs.prefix(Int(Float(costs.count) * keptShare)) { isKept[place] = true }
        }
        result.weights = indices.indices.map { background[$0] == nil || isKept[$0] ? 1 : confusedWeight }
        return result
    }

    /// Sigmoid focal loss of one logit, alpha 0.25, gamma 2.
    private static func focal(_ logit: Float, isTrue: Bool) -> Double {
        let x = Double(isTrue ? logit : -logit), e = exp(-abs(x))
        // 1 - p and -log p of the probability p of what is true.
        let miss = x >= 0 ? e / (1 + e) : 1 / (1 + e), crossEntropy = max(-x, 0) + log1p(e)
        return (isTrue ? 0.25 : 0.75) * miss * miss * crossEntropy
    }

    /// DIoU loss of distances to start and end against true ones.
    private static func distanceIoU(_ predicted: UnsafePointer<Float>, _ left: Float, _ right: Float, eps: Double = 1e-8) -> Double {
        let lp = Double(predicted[0]), rp = Double(predicted[1]), lg = Double(left), rg = Double(right)
        let intersection = min(lp, lg) + min(rp, rg), union = lp + rp + lg + rg - intersection
        let ratio = 0.5 * (rp - lp - rg + lg) / max(max(lp, lg) + max(rp, rg), eps)
        return 1 - intersection / max(union, eps) + ratio * ratio
    }
}
