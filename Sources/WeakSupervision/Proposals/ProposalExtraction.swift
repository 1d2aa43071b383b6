import PostProcessing
import TemporalAnnotations

/// A run of up-sampled segments above a threshold.
public struct Proposal: Equatable, Sendable {
    public var label: Int
    /// Outer-inner contrast and a share of the video's score; not bounded by 0 and 1.
    public var score: Double
    /// Up-sampled segments.
    public var range: Range<Int>

    /// A run of class `label`; `range` counts up-sampled segments.
    public init(label: Int, score: Double, range: Range<Int>) {
        self.label = label
        self.score = score
        self.range = range
    }
}

/// Proposals of one video by many thresholds, scored by outer-inner contrast.
///
/// Runs of the class's activations above each threshold of the first list, and of the actionness above each of the second, are proposals. Score: mean
/// of the class's activations inside minus that of a margin on both sides (for runs of the activations themselves values below the threshold count
/// as 0), plus a share of the class's video score.
public struct ProposalExtraction: Sendable {
    private let settings: WeakSupervisionConfiguration

    /// Takes thresholds, margin and the share of the video score from `settings`.
    public init(_ settings: WeakSupervisionConfiguration) { self.settings = settings }

    /// The classes to propose: those of at least `class_threshold`, otherwise the best; of known ones all.
    public func labels(videoScores: [Float], known: [Int]?) -> [Int] {
        if let known, !known.isEmpty { return known }
        let chosen = videoScores.indices.filter { Double(videoScores[$0]) >= settings.classThreshold }
        guard chosen.isEmpty, let best = videoScores.indices.max(by: { videoScores[$0] < videoScores[$1] }) else { return chosen }
        return [best]
    }

    /// - Parameters:
    ///   - activations: CAS, [segments, classes].
    ///   - actionness: per segment.
    ///   - videoScores: per class.
    ///   - labels: the classes looked for.
    /// - Returns: class by class in the order of `labels`: by the activations' thresholds, then by the actionness', for each in time.
    public func proposals(activations: [Float], actionness: [Float], videoScores: [Float], labels: [Int]) -> [Proposal] {
        let classes = videoScores.count, segments = actionness.count
        let action = ActivationCurve(actionness, factor: settings.upsampling)
        return labels.flatMap { label -> [Proposal] in
            let curve = ActivationCurve((0..<segments).map { activations[$0 * classes + label] }, factor: settings.upsampling)
            let share = settings.videoScoreWeight * Double(videoScores[label])
            let byClass = settings.casThresholds.flatMap { threshold -> [Proposal] in
                let kept = curve.values.map { $0 < threshold ? 0 : $0 }
                return curve.runs(threshold: threshold).map { Proposal(label: label, score: contrast(kept, $0) + share, range: $0) }
            }
            let byAction = settings.actionnessThresholds.flatMap { threshold in
                action.runs(threshold: threshold).map { Proposal(label: label, score: contrast(curve.values, $0) + share, range: $0) }
            }
            return byClass + byAction
        }
    }

    /// Mean inside minus mean of the margins, 0 where there are none.
    func contrast(_ values: [Double], _ run: Range<Int>) -> Double {
        let margin = settings.outerMargin * Double(run.count), last = run.upperBound - 1
        let first = max(0, Int(Double(run.lowerBound) - margin)), end = min(values.count - 1, Int(Double(last) + margin))
        let outer = Array(values[first..<run.lowerBound]) + (end > last ? Array(values[last + 1...end]) : [])
        func mean(_ list: some Collection<Double>) -> Double { list.isEmpty ? 0 : list.reduce(0, +) / Double(list.count) }
        return mean(values[run]) - mean(outer)
    }

    /// Proposals on the time axis of their video, cut to it; those that lie outside are left out.
    ///
    /// - Parameters:
    ///   - proposals: in segments.
    ///   - video: its name.
    ///   - rows: of the video's features; `segments` of them were sampled.
    ///   - segments: how many were sampled.
    ///   - grid: that converts rows and seconds.
    ///   - duration: of the video, seconds.
    public func detections(
        _ proposals: [Proposal], video: VideoID, rows: Int, segments: Int, grid: FeatureGrid, duration: Double
    ) -> [Detection] {
        let scale = Double(rows) / Double(settings.upsampling * segments)
        func seconds(_ u: Int) -> Double { min(max(grid.seconds(atPosition: Double(u) * scale + settings.proposalShift), 0), duration) }
        return proposals.compactMap { proposal in
            let segment = Segment(start: seconds(proposal.range.lowerBound), end: seconds(proposal.range.upperBound))
            guard segment.length > 0 else { return nil }
            return Detection(video: video, segment: segment, label: proposal.label, score: proposal.score)
        }
    }

    /// NMS per class; best first.
    public func suppressed(_ detections: [Detection]) -> [Detection] {
        let byClass = Dictionary(grouping: detections.enumerated(), by: \.element.label)
        let kept = byClass.keys.sorted().flatMap { label in
            hardNMS(
                (byClass[label] ?? []).map(\.element), iouThreshold: settings.nmsThreshold, lengthOffset: settings.nmsLengthOffset)
        }
        return kept.enumerated().sorted { $0.element.score != $1.element.score ? $0.element.score > $1.element.score : $0.offset < $1.offset }
            .map(\.element)
    }
}
