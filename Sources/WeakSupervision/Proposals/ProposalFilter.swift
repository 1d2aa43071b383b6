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

    /// - Parameter proposals: of one video, best first.
    /// - Returns: for each whether it is kept.
    public func keeps(_ proposals: [Detection]) -> [Bool] {
        let passes: [Bool] =
            switch kind {
            case .none: proposals.map { _ in true }
            case .score: proposals.map { $0.score > score }
            case .prior: zip(proposals, densities(proposals)).map { $0.score > score && $1 >= density }
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
}
