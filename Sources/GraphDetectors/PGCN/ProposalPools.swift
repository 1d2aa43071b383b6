import Foundation
import TemporalAnnotations

/// The proposals of one recording that P-GCN learns from, by their overlap with its actions: foreground (the actions too), incomplete, background
/// (the published `PGCNVideoRecord`).
package struct ProposalPools {
    /// What parts the pools.
    package struct Thresholds: Hashable, Sendable {
        /// tIoU of foreground is above.
        package var foreground = 0.7
        /// tIoU of incomplete proposals is below, the part of them in the action above `incompleteOverlap`.
        package var incomplete = 0.3
        package var incompleteOverlap = 0.01
        /// tIoU of background is below, the part of the recording that it covers above `coverage`.
        package var background = 0.01
        package var coverage = 0.02

        package init() {}
    }

    /// An action in frames.
    package struct Action: Hashable, Sendable {
        package var segment: FrameSegment
        package var label: Int
        /// How much the label counts.
        package var weight: Float

        package init(segment: FrameSegment, label: Int, weight: Float = 1) {
            self.segment = segment
            self.label = label
            self.weight = weight
        }
    }

    /// Foreground, then incomplete ones, then background.
    package private(set) var segments: [FrameSegment] = []
    /// The action with the largest tIoU, of equal ones the first; nil: background.
    package private(set) var actions: [Action?] = []
    /// Their classes; -1: background.
    package var labels: [Int] { actions.map { $0?.label ?? -1 } }
    package private(set) var foreground = 0..<0
    package private(set) var incomplete = 0..<0
    package private(set) var background = 0..<0
    /// For every segment of the foreground: how far its action's centre is, in lengths, and the logarithm of the action's length in lengths.
    package private(set) var offsets: [SIMD2<Double>] = []
    /// Segments of the foreground that are proposals, not actions.
    package private(set) var proposed = 0..<0

    /// - Parameters:
    ///   - proposals: in frames.
    ///   - actions: likewise; those without length and those behind the recording's end count nowhere.
    ///   - ignored: stretches of which nothing is known: proposals whose tIoU with one of them is that of foreground are in no pool, unless they are the
    ///     foreground of an action.
    ///   - frames: of the recording.
    ///   - thresholds: what parts the pools.
    package init(
        _ proposals: [FrameSegment], actions: [Action], ignored: [FrameSegment] = [], frames: Double, thresholds: Thresholds
    ) {
        let known = actions.compactMap { action in
            action.segment.cut(to: frames).map { Action(segment: $0, label: action.label, weight: action.weight) }
        }
        let unknown = ignored.compactMap { $0.cut(to: frames) }
        var kinds: [[(segment: FrameSegment, action: Action?)]] = [[], [], []]
        for proposal in proposals {
            guard let segment = proposal.cut(to: frames) else { continue }
            let overlaps = known.map { segment.tIoU($0.segment) }, best = Self.first(overlaps), tIoU = best.map { overlaps[$0] } ?? 0
            if tIoU > thresholds.foreground, let best {
                kinds[0].append((segment, known[best]))
            } else if unknown.contains(where: { segment.tIoU($0) > thresholds.foreground }) {
                continue
            } else if let best, tIoU < thresholds.incomplete, tIoU > 0,
                segment.coveredPart(by: known[best].segment) > thresholds.incompleteOverlap
            {
                kinds[1].append((segment, known[best]))
            } else if tIoU < thresholds.background, proposal.length / max(frames, 1) > thresholds.coverage {
                kinds[2].append((segment, nil))
            }
        }
        proposed = 0..<kinds[0].count
        kinds[0] += known.map { ($0.segment, $0) }
        foreground = 0..<kinds[0].count
        incomplete = foreground.upperBound..<foreground.upperBound + kinds[1].count
        background = incomplete.upperBound..<incomplete.upperBound + kinds[2].count
        for (segment, action) in kinds.joined() {
            segments.append(segment)
            self.actions.append(action)
        }
        offsets = foreground.map { place in
            let segment = segments[place], best = self.actions[place]?.segment ?? segment
            return SIMD2((best.center - segment.center) / (segment.length + 1), log((best.length + 1) / (segment.length + 1)))
        }
    }

    /// The place of the largest value, the first of equal ones.
    private static func first(_ values: [Double]) -> Int? { values.indices.max { values[$0] < values[$1] || (values[$0] == values[$1] && $0 > $1) } }
}

/// Mean and standard deviation of the offsets that P-GCN learns, over the foreground proposals of all recordings.
package struct OffsetStatistics: Equatable, Sendable {
    package var mean: SIMD2<Double>
    package var deviation: SIMD2<Double>

    package init(mean: SIMD2<Double>, deviation: SIMD2<Double>) {
        self.mean = mean
        self.deviation = deviation
    }

    /// Of no offsets 0 and 1; a deviation of 0 counts as 1.
    package init(_ offsets: [SIMD2<Double>]) {
        let count = Double(max(offsets.count, 1)), mean = offsets.reduce(SIMD2()) { $0 + $1 } / count
        let variance = offsets.reduce(SIMD2<Double>()) { $0 + ($1 - mean) * ($1 - mean) } / count
        self.mean = mean
        deviation = variance.squareRoot()
        for i in 0..<2 where deviation[i] < 1e-6 { deviation[i] = 1 }
    }
}
