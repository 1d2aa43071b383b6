import TemporalAnnotations

/// Why an action has no positive point.
public enum TargetObstacle: CaseIterable, Hashable, Sendable {
    /// It lies before the first row of the recording or behind the last.
    case outsideRows
    /// It lies between two rows: it is shorter than their distance.
    case betweenRows
    /// No level is responsible for actions of its length.
    case regressionRange
    /// The levels responsible for its length have no point in it.
    case betweenPoints
    /// Those points in it lie too far from its centre.
    case centerSampling
    /// Each of its points belongs to a shorter action.
    case shorterActions
}

/// What a detector can learn of an action.
public struct TargetOutlook: Equatable, Sendable {
    /// nil: the action has a positive point.
    public var obstacle: TargetObstacle?
    /// The largest tIoU with the action of what its positive points can predict: below 1 where the head does not reach the action's ends.
    public var reach: Float

    /// An action that can be learnt in full, unless said otherwise.
    public init(obstacle: TargetObstacle? = nil, reach: Float = 1) {
        self.obstacle = obstacle
        self.reach = reach
    }
}

extension CenterSamplingAssigner {
    /// What can be learnt of one action of a recording, by the rule of `assign`: it looks at the points in the action alone, until one is positive.
    ///
    /// - Parameters:
    ///   - index: of the action, in `instances`.
    ///   - instances: the recording's actions.
    ///   - rows: the recording's feature rows.
    ///   - farthestEnd: the largest distance to an end that a point can say, in strides of its level; nil: any.
    public func outlook(of index: Int, among instances: [GridInstance], rows: Int, farthestEnd: Float? = nil) -> TargetOutlook {
        let segment = instances[index].segment
        var isPositive = false, best = TargetOutlook(obstacle: .shorterActions, reach: 0)
        for level in levels(of: rows) where level.isResponsible(for: segment) {
            for position in level.positions(in: segment, radius: sampling == .radius ? radius : nil) {
                guard answers(position, stride: level.stride, range: level.range, for: segment) else { continue }
                isPositive = true
                guard isChosen(segment, at: position, level, among: instances) else { continue }
                best = TargetOutlook(reach: max(best.reach, reach(position, level, segment, farthestEnd)))
                if best.reach == 1 { return best }
            }
        }
        return isPositive ? best : TargetOutlook(obstacle: obstacle(segment, rows: rows), reach: 0)
    }

    /// Whether no shorter action takes the point.
    private func isChosen(_ segment: GridSegment, at position: Float, _ level: Level, among instances: [GridInstance]) -> Bool {
        instances.allSatisfy {
            segment.length <= $0.segment.length + Self.tie || !answers(position, stride: level.stride, range: level.range, for: $0.segment)
        }
    }

    private func reach(_ position: Float, _ level: Level, _ segment: GridSegment, _ farthest: Float?) -> Float {
        guard let farthest else { return 1 }
        let start = (position - segment.start) / level.stride, end = (segment.end - position) / level.stride
        return start <= farthest && end <= farthest ? 1 : (min(start, farthest) + min(end, farthest)) / (start + end)
    }

    /// Why a segment has no positive point, when it is alone.
    private func obstacle(_ segment: GridSegment, rows: Int) -> TargetObstacle {
        let levels = levels(of: rows)
        guard levels[0].positions(in: segment, radius: nil).contains(where: { Self.lies($0, in: segment) }) else {
            // Of what is shorter than a row, half a row beyond the first or the last says nothing.
            let beyond = max(-segment.end, segment.start - Float(rows - 1))
            return beyond >= (segment.length > 1 ? 0 : 1) ? .outsideRows : .betweenRows
        }
        let responsible = levels.filter { $0.isResponsible(for: segment) }
        if responsible.isEmpty { return .regressionRange }
        var hasPoint = false
        for level in responsible {
            for position in level.positions(in: segment, radius: nil) where Self.lies(position, in: segment) {
                hasPoint = true
                if level.range.contains(max(position - segment.start, segment.end - position)) { return .centerSampling }
            }
        }
        return hasPoint ? .regressionRange : .betweenPoints
    }

    private static func lies(_ position: Float, in segment: GridSegment) -> Bool { min(position - segment.start, segment.end - position) > 0 }

    /// One video's points on a level.
    private struct Level {
        var stride: Float
        var range: ClosedRange<Float>
        var length: Int

        /// Distances to the farther end of a segment's points lie between half its length and all of it (and rounding).
        func isResponsible(for segment: GridSegment) -> Bool {
            let slack = 1e-5 * (1 + abs(segment.start) + abs(segment.end))
            return range.lowerBound <= segment.length + slack && range.upperBound >= segment.length / 2 - slack
        }

        /// Positions of the points in a segment, and of one on either side; with a radius of those so many strides from its centre.
        func positions(in segment: GridSegment, radius: Float?) -> some Sequence<Float> {
            var low = segment.start, high = segment.end
            if let radius {
                low = max(low, segment.center - radius * stride)
                high = min(high, segment.center + radius * stride)
            }
            let last = Float(max(length - 1, 0))
            let first = Int(min(max(low / stride - 1, 0), last)), end = Int(min(max(high / stride + 1, 0), last))
            return (first..<max(first, min(end + 1, length))).lazy.map { [stride] in Float($0) * stride }
        }
    }

    private func levels(of rows: Int) -> [Level] {
        var length = rows
        return regressionRanges.enumerated().map { level, range in
            if level > 0 { length = PyramidPoints.coarser(length) }
            return Level(stride: Float(1 << level), range: range, length: length)
        }
    }
}
