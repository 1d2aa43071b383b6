/// What is known of one map's actions: what its rows and cells should say, and how much each of them counts.
///
/// A row or cell answers for the segment that it fits best and has that segment's weight; of equally good ones the heaviest counts. Where no segment makes
/// it positive, it counts 1, and 0 where a stretch of which nothing is known would make it positive.
struct MapLabels {
    typealias RowSegment = BMNTargets.RowSegment

    /// By start, then by end.
    let segments: [RowSegment]
    /// Of the segments; nil: all 1.
    let weights: [Float]?
    /// Stretches of which nothing is known.
    let ignored: [RowSegment]
    private let proposals: [(start: Int, end: Int)]
    private let settings: BMNSettings

    /// - Parameter proposals: of the valid cells, in their packed order.
    init(
        segments: [RowSegment], weights: [Float]?, ignored: [RowSegment], proposals: [(start: Int, end: Int)], _ settings: BMNSettings
    ) {
        self.segments = segments
        self.weights = weights
        self.ignored = ignored
        self.proposals = proposals
        self.settings = settings
    }

    /// The largest value over the segments, the first segment that has it, and the weight of the heaviest that has it.
    private func best(_ value: (RowSegment) -> Float) -> (value: Float, place: Int?, weight: Float) {
        var result: (value: Float, place: Int?, weight: Float) = (0, nil, 1)
        for (place, segment) in segments.enumerated() {
            let found = value(segment), weight = weights?[place] ?? 1
            if result.place == nil || found > result.value {
                result = (found, place, weight)
            } else if found == result.value {
                result.weight = max(result.weight, weight)
            }
        }
        return result
    }

    // MARK: Rows

    /// Of each of the T rows, the part that the surroundings of a boundary cover, 1.5 rows to both sides, and its weight.
    ///
    /// - Parameter boundary: a segment's start or end.
    func rows(_ boundary: (RowSegment) -> Double) -> (covered: [Float], weights: [Float]) {
        let anchor = settings.boundaryAnchor.offsets
        var result: (covered: [Float], weights: [Float]) = ([], [])
        for t in 0..<settings.temporalScale {
            let low = Double(t) + anchor.low, high = Double(t) + anchor.high
            func covered(_ segment: RowSegment) -> Float {
                let center = boundary(segment)
                return Float(max(0, min(high, center + 1.5) - max(low, center - 1.5)) / (high - low))
            }
            let best = best(covered)
            result.covered.append(best.value)
            if best.value > settings.boundaryThreshold {
                result.weights.append(best.weight)
            } else {
                result.weights.append(ignored.contains { covered($0) > settings.boundaryThreshold } ? 0 : 1)
            }
        }
        return result
    }

    // MARK: Cells

    struct Cells {
        /// The largest tIoU.
        var overlap: [Float] = []
        /// tND to the segment of the largest tIoU, of equal ones the first; empty where it is not asked for.
        var distance: [Float] = []
        /// Weights: a cell that is no positive counts 1 in the classification; in the regression it has the weight of what it overlaps.
        var classification: [Float] = []
        var regression: [Float] = []
    }

    /// Of each valid cell.
    func cells(withDistance: Bool) -> Cells {
        var result = Cells()
        for proposal in proposals {
            let own = (start: Double(proposal.start), end: Double(proposal.end))
            let best = best { Self.overlap(own, $0) }
            result.overlap.append(best.value)
            if withDistance { result.distance.append(best.place.map { Self.distance(own, segments[$0]) } ?? 0) }
            guard weights != nil || !ignored.isEmpty else {
                result.classification.append(1)
                result.regression.append(1)
                continue
            }
            let isPositive = best.value > settings.positiveThreshold
            if !isPositive, ignored.contains(where: { Self.overlap(own, $0) > settings.positiveThreshold }) {
                result.classification.append(0)
                result.regression.append(0)
            } else {
                result.classification.append(isPositive ? best.weight : 1)
                result.regression.append(best.value > 0 ? best.weight : 1)
            }
        }
        return result
    }

    /// tIoU.
    private static func overlap(_ a: RowSegment, _ b: RowSegment) -> Float {
        let shared = max(0, min(a.end, b.end) - max(a.start, b.start))
        return Float(shared / max(a.end - a.start + b.end - b.start - shared, 1e-12))
    }

    /// tND: the distance of the middles over the length that both cover together, squared (APL, Eq. 1).
    static func distance(_ a: RowSegment, _ b: RowSegment) -> Float {
        let middles = 0.5 * abs((a.start + a.end) - (b.start + b.end)), whole = max(a.end, b.end) - min(a.start, b.start)
        let ratio = middles / max(whole, 1e-12)
        return Float(ratio * ratio)
    }
}
