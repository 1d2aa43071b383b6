import TemporalAnnotations

/// Assigns points to actions (ActionFormer, section 3.3; docs/methods.md).
///
/// A point is positive for an instance when it lies strictly inside it, with center sampling also strictly less than `radius` strides from its
/// centre, and when the larger of its distances to start and end lies in the level's regression range (both ends included).
/// Of several instances the shortest wins; all instances at most 1e-3 longer give their classes too.
public struct CenterSamplingAssigner: Hashable, Sendable {
    /// Where in an action points are positive.
    public enum Sampling: String, Codable, Sendable, CaseIterable {
        /// Near the centre.
        case radius
        /// Anywhere inside.
        case none
    }

    public var classes: Int
    /// Per level, in grid positions.
    public var regressionRanges: [ClosedRange<Float>]
    public var sampling: Sampling
    /// In strides of the level.
    public var radius: Float

    /// `regressionRanges` in feature rows, finest level first; `radius` in strides of the level, used by `.radius` alone.
    public init(classes: Int, regressionRanges: [ClosedRange<Float>], sampling: Sampling = .radius, radius: Float = 1.5) {
        self.classes = classes
        self.regressionRanges = regressionRanges
        self.sampling = sampling
        self.radius = radius
    }

    /// - Parameters:
    ///   - points: as many levels as regression ranges.
    ///   - instances: per video of `points`; labels below `classes`.
    ///   - weights: of the instances and of regions; a positive point has the weight of the instance that its offsets lead to.
    /// - Returns: targets per point. Offsets of other points lead to the video's first instance (0 without any), as in the published code.
    public func assign(_ points: PyramidPoints, instances: [[GridInstance]], weights: LabelWeights? = nil) -> PointTargets {
        var targets = PointTargets(
            classes: [Float](repeating: 0, count: points.count * classes), offsets: [Float](repeating: 0, count: points.count * 2), positives: [],
            weights: weights.map { Self.background(points, ignored: $0.ignored) })
        for level in 0..<points.levels {
            let stride = Float(points.stride(level: level)), range = regressionRanges[level]
            for video in 0..<points.videos where !instances[video].isEmpty {
                for (i, point) in points.range(level: level, video: video).enumerated() {
                    assign(
                        point, at: Float(i) * stride, stride: stride, range: range, instances: instances[video], weights?.instances[video],
                        to: &targets)
                }
            }
        }
        return targets
    }

    private func assign(
        _ point: Int, at position: Float, stride: Float, range: ClosedRange<Float>, instances: [GridInstance], _ weights: [Float]?,
        to targets: inout PointTargets
    ) {
        var shortest = Float.infinity, chosen = 0
        for (i, instance) in instances.enumerated() where answers(position, stride: stride, range: range, for: instance.segment) {
            if instance.segment.length < shortest {
                shortest = instance.segment.length
                chosen = i
            }
        }
        targets.offsets[2 * point] = (position - instances[chosen].segment.start) / stride
        targets.offsets[2 * point + 1] = (instances[chosen].segment.end - position) / stride
        guard shortest < .infinity else { return }
        targets.positives.append(point)
        if let weights { targets.weights?[point] = weights[chosen] }
        for instance in instances
        where instance.segment.length <= shortest + Self.tie && answers(position, stride: stride, range: range, for: instance.segment) {
            targets.classes[point * classes + instance.label] = 1
        }
    }

    /// The weights of points that no instance takes: 0 in ignored regions (their ends included), 1 elsewhere.
    private static func background(_ points: PyramidPoints, ignored: [[GridSegment]]) -> [Float] {
        var weights = [Float](repeating: 1, count: points.count)
        for level in 0..<points.levels {
            let stride = Float(points.stride(level: level))
            for (video, regions) in ignored.enumerated() where !regions.isEmpty {
                for (i, point) in points.range(level: level, video: video).enumerated() {
                    let position = Float(i) * stride
                    if regions.contains(where: { $0.start <= position && position <= $0.end }) { weights[point] = 0 }
                }
            }
        }
        return weights
    }

    /// Whether a point is positive for an instance that is alone.
    func answers(_ position: Float, stride: Float, range: ClosedRange<Float>, for segment: GridSegment) -> Bool {
        guard range.contains(max(position - segment.start, segment.end - position)) else { return false }
        var start = segment.start, end = segment.end
        if sampling == .radius {
            start = max(segment.center - stride * radius, start)
            end = min(segment.center + stride * radius, end)
        }
        return min(position - start, end - position) > 0
    }

    /// Instances at most so much longer than the shortest at a point give their classes too.
    static let tie: Float = 1e-3
}
