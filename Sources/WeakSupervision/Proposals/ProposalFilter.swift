import TemporalAnnotations

/// Which proposals of a video become labels.
public struct ProposalFilter: Equatable, Sendable {
    public var kind: WeakSupervisionConfiguration.Filter
    /// Scores must be above.
    public var score: Double
    /// Sum of tIoU with the video's other proposals, of any class, at least.
    public var density: Double
    /// Labels that overlap a better one of their recording, of any class, by more (tIoU) are dropped. 1: none is.
    public var overlap: Double

    /// Takes `filter`, `filterScore`, `filterDensity` and `labelOverlap` of `settings`.
    public init(_ settings: WeakSupervisionConfiguration) {
        kind = settings.filter
        score = settings.filterScore
        density = settings.filterDensity
        overlap = settings.labelOverlap
    }

    /// - Parameters:
    ///   - proposals: of one video, best first.
    ///   - known: their densities, where they are not those among the proposals themselves.
    /// - Returns: for each whether it is kept.
    public func keeps(_ proposals: [Detection], densities known: [Double]? = nil) -> [Bool] {
        let passes: [Bool] =
            switch kind {
            case .none: proposals.map { _ in true }
            case .score: proposals.map { $0.score > score }
            case .prior: zip(proposals, known ?? densities(proposals)).map { $0.score > score && $1 >= density }
            }
        let kept = Set(apart(proposals.indices.filter { passes[$0] }) { proposals[$0].segment })
        return proposals.indices.map(kept.contains)
    }

    /// Of places in a list, best first, those whose segments overlap no better one by more than `overlap`.
    func apart(_ places: [Int], segment: (Int) -> Segment) -> [Int] {
        guard overlap < 1 else { return places }
        var taken: [Int] = []
        for place in places where taken.allSatisfy({ segment($0).tIoU(segment(place)) <= overlap }) { taken.append(place) }
        return taken
    }

    /// Per proposal the sum of its tIoU with the others: the classifier proposes more densely around true actions.
    public func densities(_ proposals: [Detection]) -> [Double] {
        proposals.indices.map { i in
            proposals.indices.reduce(0) { $1 == i ? $0 : $0 + proposals[i].segment.tIoU(proposals[$1].segment) }
        }
    }

    /// Densities of fused proposals among those they come from: per generator the sum of the tIoU with its proposals but the nearest one, which stands
    /// for the fused one itself; the mean over the generators. With one generator, and fused proposals that are its own, these are `densities`.
    ///
    /// - Parameters:
    ///   - fused: of one video.
    ///   - generators: of each generator its proposals on that video, after NMS.
    public static func densities(_ fused: [Detection], among generators: [[Detection]]) -> [Double] {
        fused.map { one in
            let sums = generators.map { own -> Double in
                let overlaps = own.map { one.segment.tIoU($0.segment) }
                return overlaps.reduce(0, +) - (overlaps.max() ?? 0)
            }
            return sums.reduce(0, +) / Double(max(1, generators.count))
        }
    }
}
