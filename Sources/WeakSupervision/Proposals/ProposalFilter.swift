import TemporalAnnotations

/// Which proposals of a video become labels.
public struct ProposalFilter: Equatable, Sendable {
    public var kind: WeakSupervisionConfiguration.Filter
    /// Scores must be above.
    public var score: Double
    /// Sum of tIoU with the video's other proposals, of any class, at least.
    public var density: Double

    /// Takes `filter`, `filterScore` and `filterDensity` of `settings`.
    public init(_ settings: WeakSupervisionConfiguration) {
        kind = settings.filter
        score = settings.filterScore
        density = settings.filterDensity
    }

    /// - Parameter proposals: of one video.
    /// - Returns: for each whether it is kept.
    public func keeps(_ proposals: [Detection]) -> [Bool] {
        switch kind {
        case .none: return proposals.map { _ in true }
        case .score: return proposals.map { $0.score > score }
        case .prior: return zip(proposals, densities(proposals)).map { $0.score > score && $1 >= density }
        }
    }

    /// Per proposal the sum of its tIoU with the others: the classifier proposes more densely around true actions.
    public func densities(_ proposals: [Detection]) -> [Double] {
        proposals.indices.map { i in
            proposals.indices.reduce(0) { $1 == i ? $0 : $0 + proposals[i].segment.tIoU(proposals[$1].segment) }
        }
    }
}
